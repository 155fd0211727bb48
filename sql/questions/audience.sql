-- Which people, as ids that load back into Salesforce?
-- What they did is asked of all their e-mails together. With --as audience: the Data Loader's files, without those who opted out.
--
-- Parameters:
--   did    sent|opened|not_opened|clicked|not_clicked|bounced  opened  what they did with any of them, or (not_…, of those delivered) with none
--   about  text  any         words of the e-mail's name or subject
--   from   date  1 year ago  sent on this day or later
--   to     date  today       sent on this day or earlier
-- Columns:
--   person_id  the person, by the one id under which they are counted
--   mails      e-mails they were sent
--   last_sent  when the last of these was sent
SELECT canonical_person(i.person_id) AS person_id, sent(i) AS mails, max(i.date_sent) AS last_sent
FROM ier i
WHERE i.person_id IS NOT NULL
    AND sent_from(i, $from) AND sent_until(i, $to)
    AND ($about IS NULL OR is_about(i, $about))
GROUP BY 1
HAVING CASE $did
    WHEN 'sent' THEN true
    WHEN 'opened' THEN opened(i) > 0
    WHEN 'not_opened' THEN delivered(i) > 0 AND opened(i) = 0 AND clicked(i) = 0
    WHEN 'clicked' THEN clicked(i) > 0
    WHEN 'not_clicked' THEN delivered(i) > 0 AND clicked(i) = 0
    WHEN 'bounced' THEN bounced(i) > 0
END
ORDER BY 1
