-- Who clicked in the last days, by the owner of the record?
--
-- Parameters:
--   from  date  7 days ago  clicked on this day or later
--   to    date  today       clicked on this day or earlier
-- Columns:
--   owner_id   the owner of the e-mail's record
--   person_id  who clicked, by the one id under which they are counted
--   links      links clicked
--   last       when last
SELECT i.owner_id, canonical_person(i.person_id) AS person_id, count(*) AS links, max(l.last_clicked) AS last
FROM individual_link l
JOIN ier i ON i.ier_id = l.ier_id
WHERE l.last_clicked >= day_start($from) AND l.last_clicked < day_start($to + INTERVAL '1 day')
GROUP BY 1, 2
ORDER BY i.owner_id, last DESC, 2
