-- Was this person told of it, what became of it, and which record says so?
-- Under all ids of the person, newest first, with what was recorded as not sent. Words and outcomes are those of ier audit, which also
-- says what cannot be known.
--
-- Parameters:
--   id     person  -            one of the person's ids, or their address
--   about  text    any          words of the e-mail's name, subject or sender
--   from   date    3 years ago  sent on this day or later
--   to     date    today        sent on this day or earlier
-- Columns:
--   event_date    when it was sent, or withheld
--   email_name    what; null where the send of what was withheld is not on record, which only a question about any words finds
--   subject_line  its subject
--   outcome       sent and what became of it, or not sent and why
--   date_opened   when an open was recorded
--   known_since   when this engine first saw the record; null where that was not kept
--   record_id     the record that proves it
--   tier          where it is: hot, archive or not_sent
SELECT event_date, email_name, subject_line, outcome, date_opened, known_since, record_id, tier
FROM (
    SELECT
        i.date_sent AS event_date,
        coalesce(s.email_name, s.name, g.email_name, g.name) AS send_name,
        coalesce(s.subject_line, s.subject, g.subject) AS send_subject,
        coalesce(s.from_name, g.from_name) AS send_from,
        i.email_name,
        i.subject_line,
        i.from_name,
        CASE mail_outcome(
            i.hard_bounce, i.soft_bounce, i.date_bounced, i.opened, i.date_opened,
            i.clicked OR l.ier_id IS NOT NULL, l.last_clicked, i.date_unsubscribed
        )
            WHEN 'bounced_hard' THEN 'sent, bounced hard'
            WHEN 'bounced_soft' THEN 'sent, bounced softly'
            WHEN 'bounced' THEN 'sent, bounced, of no clear kind'
            ELSE CASE
                WHEN i.clicked OR l.ier_id IS NOT NULL THEN 'sent, clicked'
                WHEN i.opened OR i.date_opened IS NOT NULL THEN 'sent, opened'
                ELSE 'sent, nothing recorded since'
            END
        END AS outcome,
        i.date_opened,
        observed_versions(i.observed)[1]['seen_at'] AS known_since,
        i.ier_id AS record_id,
        i.tier
    FROM contact_observed($id) i
    LEFT JOIN (SELECT ier_id, max(last_clicked) AS last_clicked FROM contact_links($id) GROUP BY ier_id) l ON l.ier_id = i.ier_id
    LEFT JOIN email_send s ON s.id = i.send_definition_id
        OR (i.send_definition_id IS NULL AND i.triggered_send_definition_id IS NULL AND s.job_id = i.job_id)
    LEFT JOIN triggered_send g ON g.id = i.triggered_send_definition_id
    UNION ALL
    SELECT
        n.event_date,
        coalesce(s.email_name, s.name) AS send_name,
        coalesce(s.subject_line, s.subject) AS send_subject,
        s.from_name AS send_from,
        s.email_name,
        s.subject_line,
        NULL AS from_name,
        'not sent: ' || coalesce(n.reason, 'no reason given') AS outcome,
        NULL AS date_opened,
        NULL AS known_since,
        n.job_id || ' ' || n.subscriber_key AS record_id,
        'not_sent' AS tier
    FROM not_sent n
    JOIN person_ids($id) p ON p.id = n.person_id
    LEFT JOIN email_send s ON s.job_id = n.job_id
) t
WHERE (
        $about IS NULL
        OR has_words(send_name, $about) OR has_words(send_subject, $about) OR has_words(send_from, $about)
        OR has_words(email_name, $about) OR has_words(subject_line, $about) OR has_words(from_name, $about)
    )
    AND (event_date IS NULL OR (event_date >= day_start($from) AND event_date < day_start($to + INTERVAL '1 day')))
ORDER BY event_date DESC NULLS LAST, record_id
