-- How many records does each month, send or unit hold, what did they cost in Salesforce, and what do they cost here?
-- Salesforce bills 2 KiB a record. Here a record has its share of the bytes of the files of its day or month. Months are UTC.
--
-- Parameters:
--   by  month|send|unit  month  what is told apart
-- Columns:
--   $by               the month, the e-mail's name or the unit's
--   iers              records
--   salesforce_bytes  what they cost, or would cost, there
--   bytes             what they cost here
--   times_smaller     salesforce_bytes / bytes
SELECT
    what AS "$by",
    sum(iers) AS iers,
    sum(iers) * 2048 AS salesforce_bytes,
    CAST(round(sum(iers * bytes_each)) AS BIGINT) AS bytes,
    round(sum(iers) * 2048 / nullif(sum(iers * bytes_each), 0), 1) AS times_smaller
FROM (
    SELECT
        CASE $by
            WHEN 'month' THEN to_char(i.sent_date, '%Y-%m')
            WHEN 'send' THEN i.email_name
            WHEN 'unit' THEN coalesce(u.name, s.business_unit_saved)
        END AS what,
        i.tier,
        CASE i.tier WHEN 'archive' THEN to_char(i.sent_date, '%Y-%m') ELSE CAST(i.sent_date AS VARCHAR) END AS period,
        count(*) AS iers
    FROM ier i
    LEFT JOIN email_send s ON s.id = i.send_definition_id
    LEFT JOIN business_unit u ON u.id = s.business_unit_id
    GROUP BY 1, 2, 3
) n
JOIN (
    SELECT tier, period, CAST(sum(bytes) AS DOUBLE) / nullif(sum(rows), 0) AS bytes_each
    FROM data_file
    WHERE table_name = 'individual_email_result'
    GROUP BY 1, 2
) f ON f.tier = n.tier AND f.period IS NOT DISTINCT FROM n.period
GROUP BY what
ORDER BY what NULLS LAST
