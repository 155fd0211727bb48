-- rates_by_send: what became of each send (or triggered send), counted from its IERs.
-- Measures are those of sql/macros.sql: delivered = sent without a bounce of either kind; rates are null where they would divide by 0.
SELECT
    t.send_definition_id,
    t.triggered_send_definition_id,
    coalesce(s.name, a.name) AS send_name,
    t.email_name,
    t.first_sent,
    t.sent,
    t.delivered,
    t.opened,
    t.clicked,
    t.unsubscribed,
    t.bounced,
    t.open_rate,
    t.click_rate,
    t.click_to_open_rate,
    t.unsubscribe_rate,
    t.bounce_rate
FROM (
    SELECT
        i.send_definition_id,
        i.triggered_send_definition_id,
        max(i.email_name) AS email_name,
        min(i.date_sent) AS first_sent,
        sent(i),
        delivered(i),
        opened(i),
        clicked(i),
        unsubscribed(i),
        bounced(i),
        open_rate(i),
        click_rate(i),
        click_to_open_rate(i),
        unsubscribe_rate(i),
        bounce_rate(i)
    FROM ier i
    GROUP BY i.send_definition_id, i.triggered_send_definition_id
) t
LEFT JOIN email_send s ON s.id = t.send_definition_id
LEFT JOIN triggered_send a ON a.id = t.triggered_send_definition_id
