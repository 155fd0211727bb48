-- Does any contact or lead say whether they opted out? Exports made without the field say nothing of anybody.
-- Columns: id, of those that do; one is enough.
SELECT id FROM contact WHERE has_opted_out_of_email IS NOT NULL
UNION ALL
SELECT id FROM lead WHERE has_opted_out_of_email IS NOT NULL
LIMIT 1
