-- send_coverage: how much of each send is here, and why there may be less than was sent: tracking switched off, or expired.
-- One row a send (job): those of email_send, and those only IERs name (what email_send says of them is then null, job, name and date are the IERs').
-- share_seen = IERs seen over number sent; null when nothing was sent or the number is unknown. Above 1 where the number was exported too early.
SELECT
    coalesce(s.id, t.send_definition_id) AS send_definition_id,
    coalesce(s.job_id, t.job_id) AS job_id,
    coalesce(s.email_name, t.email_name) AS email_name,
    coalesce(s.date_sent, t.first_sent) AS date_sent,
    s.number_sent,
    coalesce(t.iers, 0) AS iers_seen,
    CAST(coalesce(t.iers, 0) AS DOUBLE) / nullif(s.number_sent, 0) AS share_seen,
    s.individual_tracking_disabled AS tracking_disabled,
    s.tracking_expiration_date,
    t.first_modstamp,
    t.last_modstamp
FROM email_send s
FULL JOIN (
    SELECT
        send_definition_id,
        max(job_id) AS job_id,
        max(email_name) AS email_name,
        min(date_sent) AS first_sent,
        count(*) AS iers,
        min(system_modstamp) AS first_modstamp,
        max(system_modstamp) AS last_modstamp
    FROM ier
    WHERE send_definition_id IS NOT NULL
    GROUP BY send_definition_id
) t ON t.send_definition_id = s.id
