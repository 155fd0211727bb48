-- Whose e-mails name an address as the person's own.
-- $1  text  the address, in small letters
-- Columns: the person's id (contact or lead), each once.
SELECT DISTINCT person_id FROM ier WHERE lower(trim(current_email)) = $1 AND person_id IS NOT NULL
