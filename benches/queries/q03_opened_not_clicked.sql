-- Who opened one send and clicked nothing. {send}: a send that exists.
SELECT count(*) AS n, min(contact_id) AS a, max(contact_id) AS b FROM ier WHERE send_definition_id = '{send}' AND opened AND NOT clicked
