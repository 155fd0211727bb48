-- Who never opens?
-- To win them back, or to stop writing. A click counts as an open: the images may have been blocked.
--
-- Parameters:
--   at_least  integer  10          e-mails delivered
--   from      date     1 year ago  sent on this day or later
-- Columns:
--   person_id  the person, by the one id under which they are counted
--   delivered  e-mails
--   last_sent  when the last was sent
SELECT canonical_person(i.person_id) AS person_id, delivered(i), max(i.date_sent) AS last_sent
FROM ier i
WHERE sent_from(i, $from) AND i.person_id IS NOT NULL
GROUP BY 1
HAVING delivered(i) >= $at_least AND opened(i) = 0 AND clicked(i) = 0
ORDER BY delivered DESC, 1
