-- Records of some sends that stand under an address of a person's, but under no id of theirs.
-- $ids     list of text  the sends' ids
-- $people  list of text  the person's 18-character ids
-- Columns: the ids that records name, how many there are, and an id under which they stand.
SELECT
    send_definition_id,
    triggered_send_definition_id,
    count(*) AS records,
    min(person_id) AS person_id
FROM ier
WHERE
    (send_definition_id IN ($ids) OR triggered_send_definition_id IN ($ids))
    AND (person_id IS NULL OR person_id NOT IN ($people))
    AND lower(trim(current_email)) IN (
        SELECT lower(trim(email)) FROM contact WHERE id IN ($people) AND email IS NOT NULL
        UNION
        SELECT lower(trim(email)) FROM lead WHERE id IN ($people) AND email IS NOT NULL
        UNION
        SELECT lower(trim(current_email)) FROM ier WHERE person_id IN ($people) AND current_email IS NOT NULL
    )
GROUP BY 1, 2
