-- send_reconciliation: what the records tell of each send (job) beside the send's own counters, and why they differ where they do.
-- One row a send of email_send. The records' numbers include those retention has removed since; opens and clicks are people, not times.
-- explanation: `agree`, or the first reason that applies.
SELECT
    *,
    CASE
        WHEN number_sent IS NULL THEN 'the send has no counters'
        WHEN iers = 0 AND tracking_disabled THEN 'tracking was switched off: no record of anybody was made'
        WHEN iers = 0 AND number_sent > 0 THEN 'no record of this send was loaded'
        WHEN iers < number_sent THEN 'records are missing: not all were loaded, some were erased, or the sync left some out'
        WHEN iers > number_sent THEN 'more records than sent: the counters were exported before the send had ended'
        WHEN agrees THEN 'agree'
        WHEN counted_at < recorded_at THEN 'the counters are older than the newest record'
        WHEN counted_at > recorded_at THEN 'the records are older than the counters'
        ELSE 'counted in another way by Marketing Cloud'
    END AS explanation
FROM (
    SELECT
        s.id AS send_definition_id,
        s.job_id,
        s.email_name,
        s.date_sent,
        s.individual_tracking_disabled AS tracking_disabled,
        s.number_sent,
        coalesce(t.iers, 0) + coalesce(x.iers, 0) AS iers,
        s.number_of_unique_opens,
        coalesce(t.opened, 0) + coalesce(x.opened, 0) AS opened,
        s.number_of_unique_clicks,
        coalesce(t.clicked, 0) + coalesce(x.clicked, 0) AS clicked,
        s.number_of_hard_bounces,
        coalesce(t.hard_bounced, 0) + coalesce(x.hard_bounced, 0) AS hard_bounced,
        s.number_of_soft_bounces,
        coalesce(t.soft_bounced, 0) + coalesce(x.soft_bounced, 0) AS soft_bounced,
        s.number_unsubscribed,
        coalesce(t.unsubscribed, 0) + coalesce(x.unsubscribed, 0) AS unsubscribed,
        coalesce(x.iers, 0) AS iers_expired,
        s.system_modstamp AS counted_at,
        t.recorded_at,
        coalesce(s.number_sent, 0) = coalesce(t.iers, 0) + coalesce(x.iers, 0)
            AND coalesce(s.number_of_unique_opens, 0) = coalesce(t.opened, 0) + coalesce(x.opened, 0)
            AND coalesce(s.number_of_hard_bounces, 0) = coalesce(t.hard_bounced, 0) + coalesce(x.hard_bounced, 0)
            AND coalesce(s.number_of_soft_bounces, 0) = coalesce(t.soft_bounced, 0) + coalesce(x.soft_bounced, 0)
            AND coalesce(s.number_unsubscribed, 0) = coalesce(t.unsubscribed, 0) + coalesce(x.unsubscribed, 0) AS agrees
    FROM email_send s
    LEFT JOIN (
        SELECT
            send_definition_id,
            count(*) AS iers,
            count(*) FILTER (WHERE opened) AS opened,
            count(*) FILTER (WHERE clicked) AS clicked,
            count(*) FILTER (WHERE hard_bounce) AS hard_bounced,
            count(*) FILTER (WHERE soft_bounce) AS soft_bounced,
            count(date_unsubscribed) AS unsubscribed,
            max(system_modstamp) AS recorded_at
        FROM ier
        WHERE send_definition_id IS NOT NULL
        GROUP BY send_definition_id
    ) t ON t.send_definition_id = s.id
    LEFT JOIN (
        SELECT
            send_definition_id,
            sum("rows") AS iers,
            sum(opened) AS opened,
            sum(clicked) AS clicked,
            sum(hard_bounced) AS hard_bounced,
            sum(soft_bounced) AS soft_bounced,
            sum(unsubscribed) AS unsubscribed
        FROM expired_total
        WHERE object = 'individual_email_result'
        GROUP BY send_definition_id
    ) x ON x.send_definition_id = s.id
)
