-- How many records of a send were known at a moment, whoever they belong to.
-- $1  text       the send's id
-- $2  date       a day before which none of its mails was sent
-- $3  timestamp  the moment
SELECT count(*) AS seen
FROM ier_as_of($3)
WHERE (send_definition_id = $1 OR triggered_send_definition_id = $1) AND sent_date >= $2
