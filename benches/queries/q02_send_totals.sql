-- Totals of the twenty largest sends.
SELECT send_definition_id, min(date_sent) AS first_sent, count(*) AS n, sum(CASE WHEN opened THEN 1 ELSE 0 END) AS opened, sum(number_of_unique_clicks) AS clicks FROM ier GROUP BY 1 ORDER BY n DESC, 1 LIMIT 20
