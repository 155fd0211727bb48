-- Mails per person and month, and how many people got that many.
SELECT n, count(*) AS people FROM (SELECT contact_id, date_trunc('month', date_sent) AS m, count(*) AS n FROM ier WHERE date_sent >= TIMESTAMP '2025-01-01 00:00:00' GROUP BY 1, 2) t GROUP BY n ORDER BY n
