-- How many e-mails do people get a month, over all units, and how many unsubscribe?
-- Months are local.
--
-- Parameters:
--   from  date     1 year ago  sent on this day or later
--   most  integer  10          who got this many or more are counted together
-- Columns:
--   mails             e-mails a person got in a month
--   people_months     how often that was: a person counts once for each such month
--   unsubscribed      of these, with an e-mail they unsubscribed by
--   unsubscribe_rate  unsubscribed / people_months
SELECT
    mails,
    count(*) AS people_months,
    count(*) FILTER (WHERE unsubscribed > 0) AS unsubscribed,
    round(CAST(count(*) FILTER (WHERE unsubscribed > 0) AS DOUBLE) / count(*), 4) AS unsubscribe_rate
FROM (
    SELECT least(sent(i), $most) AS mails, unsubscribed(i) AS unsubscribed
    FROM ier i
    WHERE sent_from(i, $from) AND i.person_id IS NOT NULL
    GROUP BY canonical_person(i.person_id), sent_month(i)
) t
GROUP BY mails
ORDER BY mails
