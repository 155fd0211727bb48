-- Contacts and leads that are deleted in Salesforce: nothing can be loaded for them.
-- Columns: person_id.
SELECT id AS person_id FROM contact WHERE is_deleted
UNION ALL
SELECT id FROM lead WHERE is_deleted
