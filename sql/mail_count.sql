-- How many e-mails somebody was sent.
-- $ids  list of text  the person's 18-character ids
-- Columns: their number.
SELECT count(*) AS mails FROM ier WHERE person_id IN ($ids)
