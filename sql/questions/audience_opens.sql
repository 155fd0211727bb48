-- Which of an audience, by campus and school, open a newsletter?
-- People are counted, once in each place and once in the total, under all their ids; places are those of the time of the send.
--
-- Parameters:
--   audience  text     Faculty         an affiliation
--   about     text     CU Connections  words of the e-mail's name
--   from      date     1 year ago      sent on this day or later
--   to        date     today           sent on this day or earlier
--   now       boolean  false           true: who belongs to the audience now, rather than when it was sent
-- Columns:
--   campus   null in the last row, which is the total
--   school   null in the last row, and where none is known
--   people   who were sent one or more
--   opened   of these, who opened one or more
--   share    opened / people
--   mails    how many they were sent
SELECT
    campus,
    school,
    count(DISTINCT person) AS people,
    count(DISTINCT person) FILTER (WHERE opened) AS opened,
    CAST(count(DISTINCT person) FILTER (WHERE opened) AS DOUBLE) / nullif(count(DISTINCT person), 0) AS share,
    count(DISTINCT ier_id) AS mails
FROM (
    SELECT a.campus, a.school, canonical_person(i.person_id) AS person, i.opened, i.ier_id
    FROM ier i
    JOIN affiliation a ON canonical_person(a.contact_id) = canonical_person(i.person_id)
    WHERE lower(a.affiliation) = lower($audience)
        AND strpos(lower(i.email_name), lower($about)) > 0
        AND i.date_sent >= day_start($from) AND i.date_sent < day_start($to + INTERVAL '1 day')
        AND (CASE WHEN $now THEN holds_now(a) ELSE held_at(a, i.date_sent) END)
) t
GROUP BY GROUPING SETS ((campus, school), ())
ORDER BY grouping(campus), campus, school
