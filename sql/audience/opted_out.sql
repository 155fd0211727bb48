-- Who opted out: contacts and leads that say so, and whoever unsubscribed by an e-mail.
-- $1  boolean  whoever unsubscribed, too
-- Columns: person_id, as in the records; the same may come more than once.
SELECT id AS person_id FROM contact WHERE has_opted_out_of_email
UNION ALL
SELECT id FROM lead WHERE has_opted_out_of_email
UNION ALL
SELECT person_id FROM ier WHERE $1 AND date_unsubscribed IS NOT NULL AND person_id IS NOT NULL
