-- rates_by_send: what became of each send (or triggered send), counted from its IERs.
-- delivered = sent without a bounce of either kind; rates are unique people over delivered (bounce_rate: over sent), null when that is 0.
SELECT
    t.send_definition_id,
    t.triggered_send_definition_id,
    coalesce(s.name, a.name) AS send_name,
    t.email_name,
    t.first_sent,
    t.sent,
    t.sent - t.bounced AS delivered,
    t.opened,
    t.clicked,
    t.unsubscribed,
    t.bounced,
    CAST(t.opened AS DOUBLE) / nullif(t.sent - t.bounced, 0) AS open_rate,
    CAST(t.clicked AS DOUBLE) / nullif(t.sent - t.bounced, 0) AS click_rate,
    CAST(t.unsubscribed AS DOUBLE) / nullif(t.sent - t.bounced, 0) AS unsubscribe_rate,
    CAST(t.bounced AS DOUBLE) / nullif(t.sent, 0) AS bounce_rate
FROM (
    SELECT
        send_definition_id,
        triggered_send_definition_id,
        max(email_name) AS email_name,
        min(date_sent) AS first_sent,
        count(*) AS sent,
        count(*) FILTER (WHERE hard_bounce OR soft_bounce) AS bounced,
        count(*) FILTER (WHERE opened) AS opened,
        count(*) FILTER (WHERE clicked) AS clicked,
        count(date_unsubscribed) AS unsubscribed
    FROM ier
    GROUP BY send_definition_id, triggered_send_definition_id
) t
LEFT JOIN email_send s ON s.id = t.send_definition_id
LEFT JOIN triggered_send a ON a.id = t.triggered_send_definition_id
