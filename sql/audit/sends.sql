-- The sends an audit may be about, with what is known of how they were tracked.
-- $1  text  a send's id or job id; null = any
-- $2  text  the id of its e-mail in Marketing Cloud; null = any
-- Columns: what names the send, how many it went to, whether and until when it was tracked.
WITH sends AS (
    SELECT
        'email_send' AS kind,
        id,
        job_id,
        email_id,
        coalesce(email_name, name) AS email_name,
        coalesce(subject_line, subject) AS subject,
        from_name,
        business_unit_id,
        business_unit_saved,
        date_sent,
        number_sent,
        individual_tracking_disabled AS tracking_disabled,
        tracking_expiration_date AS tracking_expires
    FROM email_send
    UNION ALL
    SELECT
        'triggered_send',
        id,
        NULL,
        email_id,
        coalesce(email_name, name),
        subject,
        from_name,
        business_unit_id,
        NULL,
        NULL,
        number_sent,
        individual_tracking_disabled,
        NULL
    FROM triggered_send
)

SELECT
    s.kind,
    s.id,
    s.job_id,
    s.email_id,
    s.email_name,
    s.subject,
    s.from_name,
    coalesce(u.name, s.business_unit_saved) AS business_unit,
    s.date_sent,
    s.number_sent,
    s.tracking_disabled,
    s.tracking_expires
FROM sends AS s
LEFT JOIN business_unit AS u ON s.business_unit_id = u.id
WHERE
    ($1 IS NULL OR s.id = sf_id18($1) OR s.job_id = $1)
    AND ($2 IS NULL OR s.email_id = $2)
ORDER BY s.date_sent DESC NULLS LAST, s.id
