-- Which of an audience clicked three or more different articles on a subject?
--
-- Parameters:
--   audience  affiliation.affiliation     Alumni      an affiliation, as it is now
--   link      text     athletics   a part of the articles' addresses
--   at_least  integer  3           different addresses
--   from      date     1 year ago  clicked on this day or later
-- Columns:
--   person_id  the person, by the one id under which they are counted
--   articles   different addresses clicked
--   clicks     clicks in all
--   last       when last
SELECT
    canonical_person(l.person_id) AS person_id,
    count(DISTINCT l.link_url) AS articles,
    sum(l.number_of_total_clicks) AS clicks,
    max(l.last_clicked) AS last
FROM individual_link l
WHERE has_part(l.link_url, $link)
    AND l.last_clicked >= day_start($from)
    AND canonical_person(l.person_id) IN (
        SELECT canonical_person(a.contact_id) FROM affiliation a WHERE same_text(a.affiliation, $audience) AND holds_now(a)
    )
GROUP BY 1
HAVING count(DISTINCT l.link_url) >= $at_least
ORDER BY articles DESC, 1
