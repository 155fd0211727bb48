-- How many records of some sends were known at a moment, whoever they belong to.
-- $1    date       a day before which none of their mails was sent
-- $2    timestamp  the moment
-- $ids  text       the sends' ids
-- Columns: the ids that records name, the day of sending, and how many there were.
SELECT send_definition_id, triggered_send_definition_id, sent_date, count(*) AS seen
FROM ier_as_of($2)
WHERE (send_definition_id IN ($ids) OR triggered_send_definition_id IN ($ids)) AND sent_date >= $1
GROUP BY 1, 2, 3
