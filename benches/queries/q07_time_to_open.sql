-- Open rate by hour of sending.
SELECT extract(hour FROM date_sent) AS h, count(*) AS n, avg(CASE WHEN opened THEN 1.0 ELSE 0.0 END) AS open_rate FROM ier WHERE date_sent >= TIMESTAMP '2025-01-01 00:00:00' GROUP BY 1 ORDER BY 1
