-- Who opened, but did not click the link that matters?
-- They may have clicked another: how many of the others is told.
--
-- Parameters:
--   about  text  Giving Day          words of the e-mail's name or subject
--   link   text  giving.example.org  a part of the link's address
--   from   date  1 year ago          sent on this day or later
-- Columns:
--   person_id      the person, by the one id under which they are counted
--   email_name     what they opened
--   date_sent      when it was sent; null where that was not recorded
--   date_opened    when an open was recorded
--   other_links    other links of the same e-mail they clicked
SELECT
    canonical_person(i.person_id) AS person_id,
    i.email_name,
    i.date_sent,
    i.date_opened,
    coalesce(l.other_links, 0) AS other_links
FROM ier i
LEFT JOIN (
    SELECT ier_id, count(*) AS other_links, count(*) FILTER (WHERE has_part(link_url, $link)) AS wanted
    FROM individual_link
    GROUP BY ier_id
) l ON l.ier_id = i.ier_id
WHERE i.opened
    AND is_about(i, $about)
    AND sent_from(i, $from)
    AND coalesce(l.wanted, 0) = 0
ORDER BY i.date_sent DESC NULLS LAST, 1, i.ier_id
