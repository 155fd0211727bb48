-- How many records of some sends there are, whoever they belong to.
-- $1    date  a day before which none of their mails was sent
-- $ids  text  the sends' ids
-- Columns: the ids that records name, the day of sending, and how many there are.
SELECT send_definition_id, triggered_send_definition_id, sent_date, count(*) AS seen
FROM ier
WHERE (send_definition_id IN ($ids) OR triggered_send_definition_id IN ($ids)) AND sent_date >= $1
GROUP BY 1, 2, 3
