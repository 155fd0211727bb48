-- Who got ten mails or more in a year and opened none.
SELECT count(*) AS n FROM (SELECT contact_id FROM ier WHERE date_sent >= TIMESTAMP '2025-09-01 00:00:00' AND NOT hard_bounce GROUP BY contact_id HAVING count(*) >= 10 AND sum(CASE WHEN opened THEN 1 ELSE 0 END) = 0) t
