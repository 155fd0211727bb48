-- Ids of people on record that are nearly one that nobody has.
-- $1  text  its 15 characters
-- Columns: the id, how many mails are on record under it.
SELECT id, count(tier) AS mails
FROM (
    SELECT id, NULL AS tier FROM contact
    UNION ALL
    SELECT id, NULL FROM lead
    UNION ALL
    SELECT person_id, tier FROM ier WHERE person_id IS NOT NULL
) t
WHERE lower(substr(id, 1, 15)) = lower($1) OR levenshtein(substr(id, 1, 15), $1) = 1
GROUP BY id
