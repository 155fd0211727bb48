-- sends_of_units: which business unit each send, triggered send and job is of, and the units themselves, for who sees some units only.
-- One row a thing and unit. Columns: kind (send, triggered, job, unit); the thing's id (of a job its number); the unit's id, name and
-- MID. A send whose unit is gone has the name that was saved on it.
SELECT 'send' AS kind, s.id, s.business_unit_id AS unit_id, coalesce(u.name, s.business_unit_saved) AS unit_name, u.business_unit_id AS mid
FROM email_send s
LEFT JOIN business_unit u ON u.id = s.business_unit_id
WHERE s.id IS NOT NULL
UNION ALL
SELECT 'job', s.job_id, s.business_unit_id, coalesce(u.name, s.business_unit_saved), u.business_unit_id
FROM email_send s
LEFT JOIN business_unit u ON u.id = s.business_unit_id
WHERE s.job_id IS NOT NULL
UNION ALL
SELECT 'triggered', t.id, t.business_unit_id, u.name, u.business_unit_id
FROM triggered_send t
LEFT JOIN business_unit u ON u.id = t.business_unit_id
WHERE t.id IS NOT NULL
UNION ALL
SELECT 'unit', u.id, u.id AS unit_id, u.name, u.business_unit_id AS mid
FROM business_unit u
WHERE u.id IS NOT NULL
