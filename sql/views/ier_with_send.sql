-- ier_with_send: each IER beside its send and the send's business unit.
-- machine_open says why its open looks as if a machine had made it; null where nothing says so.
-- One row an IER, also when its send or unit is gone (their columns are then null; send_unit_name falls back to the name saved on the send).
SELECT
    i.*,
    machine_open(i),
    s.name AS send_name,
    s.job_id AS send_job_id,
    s.send_status,
    s.date_sent AS send_date,
    s.number_sent AS send_number_sent,
    s.individual_tracking_disabled AS send_tracking_disabled,
    s.business_unit_id AS send_unit_id,
    coalesce(u.name, s.business_unit_saved) AS send_unit_name
FROM ier i
LEFT JOIN email_send s ON s.id = i.send_definition_id
LEFT JOIN business_unit u ON u.id = s.business_unit_id
