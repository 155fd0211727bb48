-- How many links there are, by month their IERs were sent and tier.
-- Columns: the month (`none` without a date), rows in hot, rows in the archive.
SELECT
    coalesce(to_char(sent_date, '%Y-%m'), 'none') AS "month",
    count(*) FILTER (WHERE tier = 'hot') AS hot,
    count(*) FILTER (WHERE tier = 'archive') AS archive
FROM individual_link
GROUP BY 1
