-- How is each job doing? Its newest run in the ledger, and when it last did not fail.
--
-- Columns: job; last_started, last_outcome (done, nothing, failed), last_seconds, last_rows and last_error of the newest run
-- that ended; last_success: when the newest one that did not fail ended; failures_since: failed runs after it; runs, in all.
-- A run that was killed is not among them.
SELECT
    job,
    max(started_at) AS last_started,
    last_value(outcome ORDER BY started_at, finished_at) AS last_outcome,
    last_value(date_part('epoch', finished_at) - date_part('epoch', started_at) ORDER BY started_at, finished_at) AS last_seconds,
    last_value(rows ORDER BY started_at, finished_at) AS last_rows,
    last_value(error ORDER BY started_at, finished_at) AS last_error,
    max(succeeded_at) AS last_success,
    count(*) FILTER (WHERE outcome = 'failed' AND started_at > coalesce(succeeded_start, started_at - interval '1 second')) AS failures_since,
    count(*) AS runs
FROM (
    SELECT
        *,
        max(CASE WHEN outcome <> 'failed' THEN finished_at END) OVER (PARTITION BY job) AS succeeded_at,
        max(CASE WHEN outcome <> 'failed' THEN started_at END) OVER (PARTITION BY job) AS succeeded_start
    FROM job_run
)
GROUP BY job
