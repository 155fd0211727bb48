-- Which of an audience, by campus and school, open a newsletter?
-- People are counted, once in each place and once in the total, under all their ids; places are those of the time of the send.
--
-- Parameters:
--   audience  affiliation.affiliation     Faculty         an affiliation
--   about     text     CU Connections  words of the e-mail's name or subject
--   from      date     1 year ago      sent on this day or later
--   to        date     today           sent on this day or earlier
--   now       boolean  false           true: who belongs to the audience now, rather than when it was sent
-- Columns:
--   campus   all: the last row, which is the total
--   school   null in the last row, and where none is known
--   people   who were sent one or more
--   opened   of these, who opened one or more
--   share    opened / people
--   mails    how many they were sent
WITH held AS (
    -- Two in one place at once are one: the later begins when those before are over.
    SELECT
        a.campus,
        a.school,
        canonical_person(a.contact_id) AS person,
        greatest(a.valid_from, max(coalesce(a.valid_to, day_start(DATE '2200-01-01'))) OVER earlier) AS valid_from,
        a.valid_to
    FROM affiliation a
    WHERE same_text(a.affiliation, $audience)
    WINDOW earlier AS (
        PARTITION BY a.campus, a.school, canonical_person(a.contact_id)
        ORDER BY a.valid_from NULLS FIRST
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),
mails AS (
    SELECT canonical_person(i.person_id) AS person, sent_at(i) AS sent_at, i.opened
    FROM ier i
    WHERE is_about(i, $about)
        AND sent_from(i, $from) AND sent_until(i, $to)
)
SELECT campus, school, people, opened, round(CAST(opened AS DOUBLE) / nullif(people, 0), 4) AS share, mails
FROM (
    SELECT
        0 AS part,
        h.campus,
        h.school,
        count(DISTINCT m.person) AS people,
        count(DISTINCT m.person) FILTER (WHERE m.opened) AS opened,
        count(*) AS mails
    FROM mails m
    JOIN held h ON h.person = m.person AND (CASE WHEN $now THEN holds_now(h) ELSE held_at(h, m.sent_at) END)
    GROUP BY h.campus, h.school
    UNION ALL
    SELECT 1, 'all', NULL, count(DISTINCT m.person), count(DISTINCT m.person) FILTER (WHERE m.opened), count(*)
    FROM mails m
    WHERE EXISTS (
        SELECT 1 FROM affiliation a
        WHERE canonical_person(a.contact_id) = m.person AND same_text(a.affiliation, $audience)
            AND (CASE WHEN $now THEN holds_now(a) ELSE held_at(a, m.sent_at) END)
    )
) t
ORDER BY part, campus, school
