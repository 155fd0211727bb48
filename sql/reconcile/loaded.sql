-- What was read into each table, by the ledger of loads; a file loaded again counts once.
-- Columns: the table, its files, rows read, rows rejected.
SELECT object, count(*) AS files, CAST(sum(rows_read) AS BIGINT) AS rows_read, CAST(sum(rows_rejected) AS BIGINT) AS rows_rejected
FROM load_coverage
GROUP BY object
