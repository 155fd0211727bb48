-- How did the sends do, by month, by send or by unit?
-- Counted from the records of individual e-mails, beside the totals of the sends themselves, which go back further. Months are local.
--
-- Parameters:
--   by    month|send|unit  month  what is told apart
--   from  date  8 years ago   sent on this day or later
--   to    date  today         sent on this day or earlier
-- Columns:
--   $by               the month, the send (its e-mail's name, and its own) or the unit's name
--   sent              records, those of triggered sends among them
--   delivered         records
--   open_rate         opened / delivered
--   click_rate        clicked / delivered
--   bounce_rate       bounced / sent
--   unsubscribe_rate  unsubscribed / delivered
--   total_sent        as the sends themselves count: less than sent where there are triggered sends, which do not count so
--   total_open_rate   as the sends themselves count
--   total_click_rate  as the sends themselves count
-- Chart:
--   $by  open_rate  click_rate
SELECT
    coalesce(own.what, total.what, CASE $by WHEN 'send' THEN 'no e-mail send' WHEN 'unit' THEN 'no unit known' ELSE 'no date' END) AS "$by",
    own.sent,
    own.delivered,
    round(own.open_rate, 4) AS open_rate,
    round(own.click_rate, 4) AS click_rate,
    round(own.bounce_rate, 4) AS bounce_rate,
    round(own.unsubscribe_rate, 4) AS unsubscribe_rate,
    total.sent AS total_sent,
    round(CAST(total.opened AS DOUBLE) / nullif(total.delivered, 0), 4) AS total_open_rate,
    round(CAST(total.clicked AS DOUBLE) / nullif(total.delivered, 0), 4) AS total_click_rate
FROM (
    SELECT
        CASE $by
            WHEN 'month' THEN CAST(sent_month(i) AS VARCHAR)
            WHEN 'send' THEN coalesce(s.email_name || ' (' || s.name || ')', s.name, i.send_definition_id)
            WHEN 'unit' THEN coalesce(u.name, s.business_unit_saved)
        END AS what,
        sent(i),
        delivered(i),
        open_rate(i),
        click_rate(i),
        bounce_rate(i),
        unsubscribe_rate(i)
    FROM ier i
    LEFT JOIN email_send s ON s.id = i.send_definition_id
    LEFT JOIN business_unit u ON u.id = s.business_unit_id
    WHERE sent_from(i, $from) AND sent_until(i, $to)
    GROUP BY 1
) own
FULL JOIN (
    SELECT
        CASE $by
            WHEN 'month' THEN CAST(local_month(s.date_sent) AS VARCHAR)
            WHEN 'send' THEN coalesce(s.email_name || ' (' || s.name || ')', s.name, s.id)
            WHEN 'unit' THEN coalesce(u.name, s.business_unit_saved)
        END AS what,
        sum(s.number_sent) AS sent,
        sum(s.number_sent - coalesce(s.number_of_hard_bounces, 0) - coalesce(s.number_of_soft_bounces, 0)) AS delivered,
        sum(s.number_of_unique_opens) AS opened,
        sum(s.number_of_unique_clicks) AS clicked
    FROM email_send s
    LEFT JOIN business_unit u ON u.id = s.business_unit_id
    WHERE (s.date_sent IS NULL OR (s.date_sent >= day_start($from) AND s.date_sent < day_start($to + INTERVAL '1 day')))
    GROUP BY 1
) total ON total.what IS NOT DISTINCT FROM own.what
ORDER BY 1 NULLS LAST
