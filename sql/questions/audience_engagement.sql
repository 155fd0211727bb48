-- How do the audiences (faculty, staff, alumni, donors, students) open and click?
-- A person may be in several audiences: they count in each, and once in the total, the last row.
--
-- Parameters:
--   from  date     1 year ago  sent on this day or later
--   to    date     today       sent on this day or earlier
--   about  text    any         words of the e-mail's name
--   now   boolean  false       true: who belongs to the audience now, rather than when it was sent
-- Columns:
--   audience     null in the last row, the total of those who are in any
--   people       who were sent one or more, under all their ids
--   sent         e-mails
--   delivered    e-mails
--   opened       e-mails
--   clicked      e-mails
--   open_rate    opened / delivered
--   click_rate   clicked / delivered
WITH mails AS (
    -- Two affiliations of one kind are one audience.
    SELECT DISTINCT a.affiliation AS audience, i.ier_id, i.person_id, i.opened, i.clicked, i.hard_bounce, i.soft_bounce, i.tier
    FROM ier i
    JOIN affiliation a ON canonical_person(a.contact_id) = canonical_person(i.person_id)
    WHERE i.date_sent >= day_start($from) AND i.date_sent < day_start($to + INTERVAL '1 day')
        AND ($about IS NULL OR strpos(lower(i.email_name), lower($about)) > 0)
        AND (CASE WHEN $now THEN holds_now(a) ELSE held_at(a, i.date_sent) END)
),
once AS (SELECT DISTINCT ier_id, person_id, opened, clicked, hard_bounce, soft_bounce, tier FROM mails)
SELECT audience, people, sent, delivered, opened, clicked, open_rate, click_rate
FROM (
    SELECT 0 AS part, audience, people(m), sent(m), delivered(m), opened(m), clicked(m), open_rate(m), click_rate(m)
    FROM mails m
    GROUP BY audience
    UNION ALL
    SELECT 1, NULL, people(o), sent(o), delivered(o), opened(o), clicked(o), open_rate(o), click_rate(o)
    FROM once o
) t
ORDER BY part, audience
