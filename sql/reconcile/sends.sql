-- How many sends agree with their records, and why the others do not.
-- Columns: the explanation, how many sends, how many mails they counted, how many records there are of them.
SELECT
    explanation,
    count(*) AS sends,
    CAST(coalesce(sum(number_sent), 0) AS BIGINT) AS number_sent,
    CAST(coalesce(sum(iers), 0) AS BIGINT) AS iers
FROM send_reconciliation
GROUP BY explanation
ORDER BY explanation <> 'agree', sends DESC, explanation
