-- How many records of a send there are, whoever they belong to.
-- $1  text  the send's id
-- $2  date  a day before which none of its mails was sent
SELECT count(*) AS seen
FROM ier
WHERE (send_definition_id = $1 OR triggered_send_definition_id = $1) AND sent_date >= $2
