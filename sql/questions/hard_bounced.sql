-- Which addresses bounced hard twice or more?
-- The address is the one the person has now, not the one written to: that is not on record.
--
-- Parameters:
--   at_least  integer  2            hard bounces
--   from      date     3 years ago  sent on this day or later
-- Columns:
--   current_email  the address; null where none is known
--   person_id      whose, by the one id under which they are counted
--   hard_bounces   how many
--   last_sent      when the last of them was sent
SELECT i.current_email, canonical_person(i.person_id) AS person_id, hard_bounced(i) AS hard_bounces, max(i.date_sent) AS last_sent
FROM ier i
WHERE i.hard_bounce AND sent_from(i, $from)
GROUP BY 1, 2
HAVING hard_bounced(i) >= $at_least
ORDER BY hard_bounces DESC, 2, 1
