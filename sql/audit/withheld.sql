-- Sends that were withheld from a person, as Marketing Cloud recorded it.
-- $ids  list of text  the person's 18-character ids
-- Columns: which send, when, why.
SELECT
    job_id,
    subscriber_key,
    email_address,
    event_date,
    reason
FROM not_sent
WHERE person_id IN ($ids)
ORDER BY event_date NULLS LAST, job_id, subscriber_key, email_address, reason
