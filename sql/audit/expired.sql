-- What retention removed of the records of some sends.
-- $ids   text  the sends' ids
-- $jobs  text  their jobs' numbers, for records that name no send; null where they have none
-- Columns: what the records named, how many they were, of mails sent in which months, and when they were removed last.
SELECT
    send_definition_id,
    triggered_send_definition_id,
    job_id,
    sum("rows") AS removed,
    min(month) AS first_month,
    max(month) AS last_month,
    max(removed_at) AS removed_at
FROM expired_total
WHERE
    object = 'individual_email_result'
    AND (
        send_definition_id IN ($ids)
        OR triggered_send_definition_id IN ($ids)
        OR (send_definition_id IS NULL AND triggered_send_definition_id IS NULL AND job_id IN ($jobs))
    )
GROUP BY 1, 2, 3
