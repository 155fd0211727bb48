-- The measures of a group of e-mails, and questions asked of one row, each defined once: views, questions and statements all use
-- these. A macro's first parameter is the name (or alias) of the table whose columns it means: open_rate(ier), open_rate(i).
-- Beside each stands the vendor's own formula (package fields of the e-mail send), where there is one.

-- E-mails of which there is a record. Vendor: NumberSent, which also counts those of which no record was made.
CREATE MACRO sent(i) AS count(i.tier);

-- Refused for good; refused for now; either. One e-mail may have both marks: it bounced once.
-- Vendor: NumberofHardBounces, NumberofSoftBounces; their sum counts an e-mail with both twice.
CREATE MACRO hard_bounced(i) AS count(*) FILTER (WHERE i.hard_bounce);
CREATE MACRO soft_bounced(i) AS count(*) FILTER (WHERE i.soft_bounce);
CREATE MACRO bounced(i) AS count(*) FILTER (WHERE i.hard_bounce OR i.soft_bounce);

-- Sent and not bounced. Vendor: sent - hard bounces - soft bounces.
CREATE MACRO delivered(i) AS sent(i) - bounced(i);

-- E-mails opened, clicked, answered by unsubscribing: each at most once. Vendor: NumberofUniqueOpens, NumberofUniqueClicks, NumberUnsubscribed.
CREATE MACRO opened(i) AS count(*) FILTER (WHERE i.opened);
CREATE MACRO clicked(i) AS count(*) FILTER (WHERE i.clicked);
CREATE MACRO unsubscribed(i) AS count(i.date_unsubscribed);

-- Clicks, each time counted. Vendor: NumberofTotalClicks.
CREATE MACRO total_clicks(i) AS sum(i.number_of_total_clicks);

-- Rates, null where they would divide by 0. Vendor: unique opens, unique clicks, unsubscribed / delivered; bounced / sent;
-- click-to-open is unique clicks / unique opens.
CREATE MACRO open_rate(i) AS CAST(opened(i) AS DOUBLE) / nullif(delivered(i), 0);
CREATE MACRO click_rate(i) AS CAST(clicked(i) AS DOUBLE) / nullif(delivered(i), 0);
CREATE MACRO click_to_open_rate(i) AS CAST(clicked(i) AS DOUBLE) / nullif(opened(i), 0);
CREATE MACRO unsubscribe_rate(i) AS CAST(unsubscribed(i) AS DOUBLE) / nullif(delivered(i), 0);
CREATE MACRO bounce_rate(i) AS CAST(bounced(i) AS DOUBLE) / nullif(sent(i), 0);

-- People, each once under all their ids.
CREATE MACRO people(i) AS count(DISTINCT canonical_person(i.person_id));

-- Why an open looks as if a machine had made it (a mail gateway or a privacy proxy that fetches images by itself); null where nothing
-- says so. Suspicion, not proof: nothing is ever left out because of it. The vendor tells nothing of it.
CREATE MACRO machine_open(i) AS CASE
    WHEN i.opened AND i.hard_bounce THEN 'opened, and refused for good'
    WHEN i.opened AND i.date_opened < i.date_sent THEN 'opened before it was sent'
    WHEN i.opened AND i.date_opened < i.date_sent + INTERVAL '10 seconds' THEN 'opened within 10 seconds'
END;

-- E-mails whose open looks like a machine's, and the open rate without them.
CREATE MACRO machine_opened(i) AS count(machine_open(i));
CREATE MACRO human_open_rate(i) AS CAST(opened(i) - machine_opened(i) AS DOUBLE) / nullif(delivered(i), 0);

-- How a mail arrived, by the rule of audits: delivered, bounced_hard, bounced_soft or (of no clear kind) bounced. A soft bounce is made
-- good by what only a delivered mail allows: an open, a click. The measure delivered(i) is the vendor's, and takes every bounce away.
CREATE MACRO outcome(i) AS mail_outcome(
    i.hard_bounce, i.soft_bounce, i.date_bounced, i.opened, i.date_opened, i.clicked, NULL, i.date_unsubscribed
);

-- Is it about this: are these words of its name or its subject? Audits, and who asks whether somebody was told, look at the sender, too.
CREATE MACRO is_about(i, words) AS has_words(i.email_name, words) OR has_words(i.subject_line, words);

-- Was it sent on this local day or later, on this one or earlier? What has no time of sending counts by its day (sent_date, which is then
-- that of the record's making), as in all views; what has not even that may have been sent on any day, and is in every count.
CREATE MACRO sent_from(i, first) AS (i.sent_date IS NULL OR i.sent_date >= first - INTERVAL '1 day')
    AND (i.date_sent >= day_start(first) OR (i.date_sent IS NULL AND (i.sent_date IS NULL OR i.sent_date >= first)));
CREATE MACRO sent_until(i, last) AS (i.sent_date IS NULL OR i.sent_date <= last + INTERVAL '1 day')
    AND (i.date_sent < day_start(last + INTERVAL '1 day') OR (i.date_sent IS NULL AND (i.sent_date IS NULL OR i.sent_date <= last)));

-- The local month of sending, and a moment of the local day: of what has no time of sending the month and the beginning of its day.
CREATE MACRO sent_at(i) AS coalesce(i.date_sent, day_start(i.sent_date));
CREATE MACRO sent_month(i) AS coalesce(local_month(i.date_sent), CAST(date_trunc('month', i.sent_date) AS DATE));

-- Did this row of a table of people's attributes hold at a moment? Does it hold now?
CREATE MACRO held_at(a, moment) AS (a.valid_from IS NULL OR a.valid_from <= moment) AND (a.valid_to IS NULL OR a.valid_to > moment);
CREATE MACRO holds_now(a) AS held_at(a, now());
