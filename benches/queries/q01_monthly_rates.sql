-- Rates by month.
SELECT date_trunc('month', date_sent) AS m, count(*) AS sent, sum(CASE WHEN opened THEN 1 ELSE 0 END) AS opened, sum(CASE WHEN clicked THEN 1 ELSE 0 END) AS clicked, sum(CASE WHEN hard_bounce OR soft_bounce THEN 1 ELSE 0 END) AS bounced FROM ier GROUP BY 1 ORDER BY 1
