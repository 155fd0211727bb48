-- Was this person told of it, what became of it, and which record says so?
-- Under all ids of the person, newest first, with what was recorded as not sent. For a verdict that says what cannot be known: ier audit.
--
-- Parameters:
--   id     id    -             one of the person's ids
--   about  text  any           words of the e-mail's name, subject or sender
--   from   date  3 years ago   sent on this day or later
--   to     date  today         sent on this day or earlier
-- Columns:
--   event_date    when it was sent, or withheld
--   email_name    what; null where the send of what was withheld is not on record, which any words match
--   subject_line  its subject
--   outcome       sent and what became of it, or not sent and why
--   date_opened   when an open was recorded
--   known_since   the modification stamp of the record: from then on Salesforce had it so
--   record_id     the record that proves it
--   tier          where it is: hot, archive or not_sent
SELECT event_date, email_name, subject_line, outcome, date_opened, known_since, record_id, tier
FROM (
    SELECT
        i.date_sent AS event_date,
        i.email_name,
        i.subject_line,
        i.from_name,
        CASE
            WHEN i.hard_bounce THEN 'sent, bounced hard'
            WHEN i.clicked THEN 'sent, clicked'
            WHEN i.opened THEN 'sent, opened'
            WHEN i.soft_bounce THEN 'sent, bounced softly'
            ELSE 'sent, nothing recorded since'
        END AS outcome,
        i.date_opened,
        i.system_modstamp AS known_since,
        i.ier_id AS record_id,
        i.tier
    FROM contact_history($id) i
    UNION ALL
    SELECT
        n.event_date,
        s.email_name,
        s.subject_line,
        s.from_name,
        'not sent: ' || coalesce(n.reason, 'no reason given') AS outcome,
        NULL AS date_opened,
        n.event_date AS known_since,
        n.job_id || ' ' || n.subscriber_key AS record_id,
        'not_sent' AS tier
    FROM not_sent n
    JOIN person_ids($id) p ON p.id = n.person_id
    LEFT JOIN email_send s ON s.job_id = n.job_id
) t
WHERE ($about IS NULL OR (tier = 'not_sent' AND email_name IS NULL) OR strpos(lower(email_name), lower($about)) > 0 OR strpos(lower(subject_line), lower($about)) > 0 OR strpos(lower(from_name), lower($about)) > 0)
    AND (event_date IS NULL OR (event_date >= day_start($from) AND event_date < day_start($to + INTERVAL '1 day')))
ORDER BY event_date DESC NULLS LAST, record_id
