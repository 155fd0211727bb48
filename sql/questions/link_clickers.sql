-- Who clicked a link?
--
-- Parameters:
--   link  text  pricing     a part of the link's address or name
--   from  date  7 days ago  clicked on this day or later
--   to    date  today       clicked on this day or earlier
-- Columns:
--   person_id  who, by the one id under which they are counted
--   link_url   what
--   clicks     how often
--   last       when last
SELECT canonical_person(l.person_id) AS person_id, l.link_url, sum(l.number_of_total_clicks) AS clicks, max(l.last_clicked) AS last
FROM individual_link l
WHERE (has_part(l.link_url, $link) OR has_part(l.link_name, $link))
    AND l.last_clicked >= day_start($from) AND l.last_clicked < day_start($to + INTERVAL '1 day')
GROUP BY 1, 2
ORDER BY last DESC, 1, 2
