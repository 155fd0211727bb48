-- How do the audiences (faculty, staff, alumni, donors, students) open and click?
-- A person may be in several audiences: they count in each, and once in the total, the last row.
--
-- Parameters:
--   from  date     1 year ago  sent on this day or later
--   to    date     today       sent on this day or earlier
--   about  text    any         words of the e-mail's name or subject
--   now   boolean  false       true: who belongs to the audience now, rather than when it was sent
-- Columns:
--   audience     all: the last row, the total of those who are in any
--   people       who were sent one or more, under all their ids
--   sent         e-mails
--   delivered    e-mails
--   opened       e-mails
--   clicked      e-mails
--   open_rate    opened / delivered
--   click_rate   clicked / delivered
WITH held AS (
    -- Two of one kind at once are one audience: the later begins when those before are over.
    SELECT
        a.affiliation AS audience,
        canonical_person(a.contact_id) AS person,
        greatest(a.valid_from, max(coalesce(a.valid_to, day_start(DATE '2200-01-01'))) OVER earlier) AS valid_from,
        a.valid_to
    FROM affiliation a
    WINDOW earlier AS (
        PARTITION BY a.affiliation, canonical_person(a.contact_id)
        ORDER BY a.valid_from NULLS FIRST
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),
mails AS (
    SELECT i.*
    FROM ier i
    WHERE sent_from(i, $from) AND sent_until(i, $to)
        AND ($about IS NULL OR is_about(i, $about))
)
SELECT audience, people, sent, delivered, opened, clicked, open_rate, click_rate
FROM (
    SELECT 0 AS part, h.audience, people(m), sent(m), delivered(m), opened(m), clicked(m), round(open_rate(m), 4) AS open_rate, round(click_rate(m), 4) AS click_rate
    FROM mails m
    JOIN held h ON h.person = canonical_person(m.person_id) AND (CASE WHEN $now THEN holds_now(h) ELSE held_at(h, sent_at(m)) END)
    GROUP BY h.audience
    UNION ALL
    SELECT 1, 'all', people(m), sent(m), delivered(m), opened(m), clicked(m), round(open_rate(m), 4) AS open_rate, round(click_rate(m), 4) AS click_rate
    FROM mails m
    WHERE EXISTS (
        SELECT 1 FROM affiliation a
        WHERE canonical_person(a.contact_id) = canonical_person(m.person_id)
            AND (CASE WHEN $now THEN holds_now(a) ELSE held_at(a, sent_at(m)) END)
    )
) t
ORDER BY part, audience
