-- Addresses that bounced hard twice or more.
SELECT count(*) AS n FROM (SELECT current_email FROM ier WHERE hard_bounce GROUP BY current_email HAVING count(*) >= 2) t
