-- What retention removed of a send's records.
-- $1  text  the send's id
-- $2  text  its job's number, for records that name no send; null where it has none
-- Columns: how many records, of mails sent in which months, and when they were removed last.
SELECT
    coalesce(sum("rows"), 0) AS removed,
    min(month) AS first_month,
    max(month) AS last_month,
    max(removed_at) AS removed_at
FROM expired_total
WHERE
    object = 'individual_email_result'
    AND (
        send_definition_id = $1
        OR triggered_send_definition_id = $1
        OR (send_definition_id IS NULL AND triggered_send_definition_id IS NULL AND job_id = $2)
    )
