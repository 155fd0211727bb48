-- One contact's history. {contact}: a contact that exists.
SELECT date_sent, email_name, subject_line, opened, date_opened, clicked, hard_bounce FROM ier WHERE contact_id = '{contact}' ORDER BY date_sent DESC
