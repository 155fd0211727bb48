-- Who clicked in the last days, by whose contact or lead they are?
-- The owner is the contact's, or the lead's, and not that of the e-mail's record, which belongs to whoever runs the connection.
--
-- Parameters:
--   from   date  7 days ago  clicked on this day or later
--   to     date  today       clicked on this day or earlier
--   owner  id    any         only those of this owner
-- Columns:
--   owner_id   the owner of the contact or lead
--   person_id  who clicked, by the one id under which they are counted
--   name       their name, as the contact or lead has it
--   email      their address, as it has it
--   links      links clicked
--   clicked    their names, or else addresses
--   last       when last
SELECT owner_id, person_id, name, email, links, clicked, last
FROM (
    SELECT
        coalesce(c.owner_id, d.owner_id) AS owner_id,
        p.person_id,
        coalesce(c.name, nullif(concat_ws(' ', c.first_name, c.last_name), ''), d.name, nullif(concat_ws(' ', d.first_name, d.last_name), '')) AS name,
        coalesce(c.email, d.email) AS email,
        p.links,
        p.clicked,
        p.last
    FROM (
        SELECT
            canonical_person(i.person_id) AS person_id,
            count(*) AS links,
            string_agg(DISTINCT coalesce(l.link_name, l.link_url), '; ' ORDER BY coalesce(l.link_name, l.link_url)) AS clicked,
            max(l.last_clicked) AS last
        FROM individual_link l
        JOIN ier i ON i.ier_id = l.ier_id
        WHERE l.last_clicked >= day_start($from) AND l.last_clicked < day_start($to + INTERVAL '1 day')
        GROUP BY 1
    ) p
    LEFT JOIN contact c ON c.id = p.person_id
    LEFT JOIN lead d ON d.id = p.person_id
) t
WHERE $owner IS NULL OR owner_id = $owner
ORDER BY owner_id, last DESC, person_id
