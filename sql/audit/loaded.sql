-- What span of records was ever loaded.
-- $1  timestamp  loaded by then; null = ever
-- Columns: the first and the last moment of sending among them.
SELECT
    min(first_sent) AS first_sent,
    max(last_sent) AS last_sent
FROM load_coverage
WHERE object = 'individual_email_result' AND ($1 IS NULL OR loaded_at <= $1)
