-- flat_report: the report people know from Salesforce, one row an IER, under the labels it has there.
SELECT
    email_name AS "Email Name",
    subject_line AS "Subject",
    person_id AS "Person ID",
    current_email AS "Email",
    date_sent AS "Date Sent",
    opened AS "Opened",
    date_opened AS "Date Opened",
    clicked AS "Clicked",
    hard_bounce AS "Hard Bounce",
    soft_bounce AS "Soft Bounce"
FROM ier
