-- Which versions of each record the engine saw, and when: one row a version, the newest being what `ier` shows.
-- Columns: the record; the version's number; when it was seen (null: before observing began); what the version before had in
-- the columns that changed, as JSON (moments in microseconds, days since 1970).
SELECT
    ier_id,
    merge_id,
    person_id,
    seen['version'] AS version,
    seen['seen_at'] AS seen_at,
    seen['was'] AS was
FROM (
    SELECT
        ier_id,
        merge_id,
        person_id,
        unnest(observed_versions(observed)) AS seen
    FROM ier_observed
)
