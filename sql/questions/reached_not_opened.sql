-- Who was reached by a send, but never opened it?
--
-- Parameters:
--   send   id    any         the e-mail send
--   about  text  any         words of the e-mail's name or subject
--   from   date  1 year ago  sent on this day or later
-- Columns:
--   person_id   the person, by the one id under which they are counted
--   email_name  what they were sent
--   date_sent   when; null where that was not recorded
SELECT canonical_person(i.person_id) AS person_id, i.email_name, i.date_sent
FROM ier i
WHERE outcome(i) = 'delivered'
    AND i.opened IS NOT TRUE AND i.clicked IS NOT TRUE
    AND ($send IS NULL OR i.send_definition_id = $send)
    AND ($about IS NULL OR is_about(i, $about))
    AND sent_from(i, $from)
ORDER BY i.date_sent DESC NULLS LAST, 1, i.ier_id
