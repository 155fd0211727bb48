-- rates_by_month: what became of the mails of each month (UTC), counted from IERs.
-- Measures are those of sql/macros.sql: delivered = sent without a bounce of either kind; rates are null where they would divide by 0.
SELECT
    CAST(date_trunc('month', i.sent_date) AS DATE) AS month,
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
GROUP BY 1
