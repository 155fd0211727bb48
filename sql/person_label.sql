-- What somebody is recognised by, as contacts and leads have it.
-- $ids  list of text  the person's 18-character ids
-- Columns: the id; the name, else first and last name; the address.
SELECT id, coalesce(name, nullif(concat_ws(' ', first_name, last_name), '')) AS name, email FROM contact WHERE id IN ($ids)
UNION ALL
SELECT id, coalesce(name, nullif(concat_ws(' ', first_name, last_name), '')) AS name, email FROM lead WHERE id IN ($ids)
