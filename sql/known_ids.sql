-- Is anything on record under one of these ids? One row is enough.
-- $ids  list of text  a person's 18-character ids
-- Columns: where something is.
SELECT 'contact' AS place FROM contact WHERE id IN ($ids)
UNION ALL
SELECT 'lead' FROM lead WHERE id IN ($ids)
UNION ALL
SELECT 'ier' FROM ier WHERE person_id IN ($ids)
UNION ALL
SELECT 'individual_link' FROM individual_link WHERE person_id IN ($ids)
UNION ALL
SELECT 'not_sent' FROM not_sent WHERE person_id IN ($ids)
UNION ALL
SELECT 'person_alias' FROM person_alias WHERE alias_id IN ($ids) OR person_id IN ($ids)
LIMIT 1
