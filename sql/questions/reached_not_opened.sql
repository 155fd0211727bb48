-- Who was reached by a send, but never opened it?
--
-- Parameters:
--   send   id    any         the e-mail send
--   about  text  any         words of the e-mail's name
--   from   date  1 year ago  sent on this day or later
-- Columns:
--   person_id   the person, by the one id under which they are counted
--   email_name  what they were sent
--   date_sent   when
SELECT canonical_person(i.person_id) AS person_id, i.email_name, i.date_sent
FROM ier i
WHERE i.hard_bounce IS NOT TRUE AND i.soft_bounce IS NOT TRUE
    AND i.opened IS NOT TRUE AND i.clicked IS NOT TRUE
    AND ($send IS NULL OR i.send_definition_id = $send)
    AND ($about IS NULL OR strpos(lower(i.email_name), lower($about)) > 0)
    AND i.date_sent >= day_start($from)
ORDER BY i.date_sent DESC, 1, i.ier_id
