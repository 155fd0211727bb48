-- Contacts and leads by name and address, for finding somebody by either.
-- Columns: the id; the name, else first and last name; the address.
SELECT id, coalesce(name, nullif(concat_ws(' ', first_name, last_name), '')) AS name, email FROM contact
UNION ALL
SELECT id, coalesce(name, nullif(concat_ws(' ', first_name, last_name), '')) AS name, email FROM lead
