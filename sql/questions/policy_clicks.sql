-- Which employees of a campus clicked a link about a policy?
-- Who was employed there when they clicked; a person with two jobs there is listed once.
--
-- Parameters:
--   campus  employment.campus  Boulder     where they are employed
--   link    text  policy      a part of the link's address or name
--   from    date  1 year ago  clicked on this day or later
-- Columns:
--   person_id   the person, by the one id under which they are counted
--   department  theirs; the first by name where there are several
--   links       different links clicked
--   last        when last
SELECT
    canonical_person(l.person_id) AS person_id,
    min(e.department) AS department,
    count(DISTINCT l.link_url) AS links,
    max(l.last_clicked) AS last
FROM individual_link l
JOIN employment e ON canonical_person(e.contact_id) = canonical_person(l.person_id) AND held_at(e, l.last_clicked)
WHERE same_text(e.campus, $campus)
    AND (has_part(l.link_url, $link) OR has_part(l.link_name, $link))
    AND l.last_clicked >= day_start($from)
GROUP BY 1
ORDER BY last DESC, 1
