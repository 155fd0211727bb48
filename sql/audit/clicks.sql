-- The links a person clicked, under all their ids.
-- $ids  list of text  the person's 18-character ids
-- Columns: of which record, which link, how often, when last.
SELECT
    ier_id,
    link_name,
    link_url,
    number_of_total_clicks AS clicks,
    last_clicked
FROM individual_link
WHERE person_id IN ($ids)
ORDER BY last_clicked NULLS LAST, link_id, unique_link_id
