-- A person's mails under all their ids, newest first.
-- $1  text  one of the person's ids (contact or lead)
-- Columns: when it was sent, what, from whom, what became of it, under which id, which tier holds the row.
SELECT
    date_sent,
    email_name,
    subject_line,
    from_name,
    opened,
    date_opened,
    clicked,
    number_of_unique_clicks AS links_clicked,
    hard_bounce,
    soft_bounce,
    date_unsubscribed,
    is_deleted,
    ier_id,
    person_id,
    send_definition_id,
    tier
FROM contact_history($1)
ORDER BY date_sent DESC NULLS LAST, ier_id
