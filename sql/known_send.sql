-- Is anything on record of a send? One row is enough.
-- $1  text  its id of 18 characters, or the number of its job
-- Columns: where something is.
SELECT 'email_send' AS place FROM email_send WHERE id = $1 OR CAST(job_id AS VARCHAR) = $1
UNION ALL
SELECT 'triggered_send' FROM triggered_send WHERE id = $1
UNION ALL
SELECT 'ier' FROM ier
WHERE send_definition_id = $1 OR triggered_send_definition_id = $1 OR CAST(job_id AS VARCHAR) = $1
UNION ALL
SELECT 'not_sent' FROM not_sent WHERE CAST(job_id AS VARCHAR) = $1
LIMIT 1
