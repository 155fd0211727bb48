-- How long until people open, and at which hour is it best to send?
-- One open is recorded an e-mail. Opens that look like a machine's are counted beside, and not left out.
--
-- Parameters:
--   by    send|hour  send  what is told apart: the send, or the local hour of sending
--   from  date  1 year ago  sent on this day or later
-- Columns:
--   $by              the send's e-mail name, or the hour (00 to 23; no time: that was not recorded)
--   first_sent       when the first of them was sent
--   delivered        e-mails
--   opened           e-mails
--   open_rate        opened / delivered
--   hours_10         a tenth of the opens came within so many hours
--   hours_50         half of them
--   hours_90         nine tenths
--   machine_opened   opens that look like a machine's
SELECT
    CASE $by WHEN 'hour' THEN coalesce(lpad(CAST(min(local_hour(i.date_sent)) AS VARCHAR), 2, '0'), 'no time') ELSE max(i.email_name) END AS "$by",
    min(i.date_sent) AS first_sent,
    delivered(i),
    opened(i),
    round(open_rate(i), 4) AS open_rate,
    round(percentile_cont(0.1) WITHIN GROUP (ORDER BY date_part('epoch', i.date_opened - i.date_sent) / 3600), 4) AS hours_10,
    round(percentile_cont(0.5) WITHIN GROUP (ORDER BY date_part('epoch', i.date_opened - i.date_sent) / 3600), 4) AS hours_50,
    round(percentile_cont(0.9) WITHIN GROUP (ORDER BY date_part('epoch', i.date_opened - i.date_sent) / 3600), 4) AS hours_90,
    machine_opened(i)
FROM ier i
WHERE sent_from(i, $from)
GROUP BY CASE $by
    WHEN 'hour' THEN CAST(local_hour(i.date_sent) AS VARCHAR)
    ELSE coalesce(i.send_definition_id, i.triggered_send_definition_id, i.email_name)
END
ORDER BY 1, first_sent
