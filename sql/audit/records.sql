-- All records of a person, under all their ids.
-- $ids  list of text  the person's 18-character ids
-- Columns: what was sent, what became of it, until when that was looked at, and which versions of it were seen.
SELECT
    ier_id,
    person_id,
    send_definition_id,
    triggered_send_definition_id,
    job_id,
    email_id,
    email_name,
    subject_line,
    from_name,
    from_address,
    date_sent,
    opened,
    date_opened,
    clicked,
    number_of_total_clicks,
    hard_bounce,
    soft_bounce,
    date_bounced,
    date_unsubscribed,
    tracking_as_of,
    system_modstamp,
    is_deleted,
    tier,
    observed
FROM ier_observed
WHERE person_id IN ($ids)
ORDER BY date_sent DESC NULLS LAST, ier_id, merge_id, job_id, list_id, batch_id, subscriber_id
