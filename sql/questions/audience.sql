-- Which people, as ids that load back into Salesforce?
-- With --as audience: the Data Loader's files, without those who opted out.
--
-- Parameters:
--   did       text     opened      sent, opened, not_opened, clicked, not_clicked or bounced
--   about     text     any         words of the e-mail's name
--   audience  text     any         an affiliation, as it is now
--   from      date     1 year ago  sent on this day or later
--   to        date     today       sent on this day or earlier
-- Columns:
--   person_id  the person, by the one id under which they are counted
--   mails      e-mails for which it is true
--   last_sent  when the last of these was sent
SELECT canonical_person(i.person_id) AS person_id, sent(i) AS mails, max(i.date_sent) AS last_sent
FROM ier i
WHERE i.person_id IS NOT NULL
    AND i.date_sent >= day_start($from) AND i.date_sent < day_start($to + INTERVAL '1 day')
    AND ($about IS NULL OR i.email_name ILIKE '%' || $about || '%')
    AND CASE $did
        WHEN 'sent' THEN true
        WHEN 'opened' THEN i.opened
        WHEN 'not_opened' THEN i.opened IS NOT TRUE AND i.clicked IS NOT TRUE AND i.hard_bounce IS NOT TRUE AND i.soft_bounce IS NOT TRUE
        WHEN 'clicked' THEN i.clicked
        WHEN 'not_clicked' THEN i.clicked IS NOT TRUE
        WHEN 'bounced' THEN i.hard_bounce OR i.soft_bounce
    END
    AND ($audience IS NULL OR canonical_person(i.person_id) IN (
        SELECT canonical_person(a.contact_id) FROM affiliation a WHERE a.affiliation = $audience AND holds_now(a)
    ))
GROUP BY 1
ORDER BY 1
