-- How many IERs there are, by month sent and tier.
-- Columns: the month (`none` without a date), rows in hot, rows in the archive.
SELECT
    coalesce(to_char(sent_date, '%Y-%m'), 'none') AS "month",
    count(*) FILTER (WHERE tier = 'hot') AS hot,
    count(*) FILTER (WHERE tier = 'archive') AS archive
FROM ier
GROUP BY 1
