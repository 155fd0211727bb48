-- rates_by_month: what became of the mails of each month (UTC), counted from IERs.
-- delivered = sent without a bounce of either kind; rates are unique people over delivered (bounce_rate: over sent), null when that is 0.
SELECT
    month,
    sent,
    sent - bounced AS delivered,
    opened,
    clicked,
    unsubscribed,
    bounced,
    CAST(opened AS DOUBLE) / nullif(sent - bounced, 0) AS open_rate,
    CAST(clicked AS DOUBLE) / nullif(sent - bounced, 0) AS click_rate,
    CAST(unsubscribed AS DOUBLE) / nullif(sent - bounced, 0) AS unsubscribe_rate,
    CAST(bounced AS DOUBLE) / nullif(sent, 0) AS bounce_rate
FROM (
    SELECT
        CAST(date_trunc('month', sent_date) AS DATE) AS month,
        count(*) AS sent,
        count(*) FILTER (WHERE hard_bounce OR soft_bounce) AS bounced,
        count(*) FILTER (WHERE opened) AS opened,
        count(*) FILTER (WHERE clicked) AS clicked,
        count(date_unsubscribed) AS unsubscribed
    FROM ier
    GROUP BY 1
) t
