//! What nobody finds out who may not see it: by errors, by plans, by conditions, by the corners where raw values stand.

use tokio_postgres::Client;

use super::access::{ANA, People, filled};
use super::{Served, code, rows};

/// Parts of names and addresses that only some may see.
const SECRETS: [&str; 6] = ["ana.ortiz", "secret.person", "bob@", "Ortiz", "Bob", "e=ana"];

/// Whatever a statement brings back: rows, or what its error says.
async fn told(client: &Client, sql: &str) -> String {
    match client.simple_query(sql).await {
        Ok(_) => rows(client, sql).await.join("\n"),
        Err(error) => format!("{:?}", error.as_db_error()),
    }
}

async fn tells_nothing(client: &Client, sql: &str) {
    let told = told(client, sql).await;
    for secret in SECRETS.iter().filter(|secret| !sql.contains(**secret)) {
        assert!(!told.contains(secret), "{sql} tells {secret}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_of_an_analyst_shows_a_name_or_an_address() {
    let (world, people) = (filled().await, People::of_each_role());
    let served = people.serve(&world).await;
    let client = people.client(&served, "ana").await;
    for sql in [
        "SELECT * FROM ier",
        "SELECT * FROM individual_email_result",
        "SELECT * FROM salesforce.et4ae5__individualemailresult__c",
        "SELECT * FROM contact",
        "SELECT * FROM salesforce.contact",
        "SELECT * FROM lead",
        "SELECT * FROM individual_link",
        "SELECT * FROM aggregate_link",
        "SELECT * FROM not_sent",
        "SELECT * FROM ier_with_send",
        "SELECT * FROM flat_report",
        "SELECT * FROM ier_versions",
        "SELECT * FROM ier_observed",
        "SELECT * FROM ier_as_of(TIMESTAMP '2030-01-01 00:00:00')",
        "SELECT * FROM person_alias",
        "SELECT * FROM load_coverage",
        "SELECT * FROM job_run",
        "SELECT * FROM jobs",
        "SELECT * FROM data_file",
        "SELECT * FROM legal_hold",
        "SELECT * FROM erased",
        "SELECT * FROM erasure",
        "TABLE ier",
        "SELECT CAST(current_email AS bigint) FROM ier",
        "SELECT count(*) FROM ier WHERE CAST(current_email AS bigint) > 0",
        "SELECT CAST(first_name AS date) FROM contact",
        "SELECT to_timestamp(email) FROM contact",
        "SELECT min(current_email), max(current_email) FROM ier",
        "SELECT string_agg(email, ',') FROM contact",
        "SELECT array_agg(first_name) FROM contact",
        "SELECT first_value(current_email) OVER (ORDER BY current_email) FROM ier",
        "SELECT lag(current_email) OVER (ORDER BY date_sent) FROM ier",
        "SELECT (SELECT max(email) FROM contact)",
        "SELECT 1 WHERE 'x' IN (SELECT email FROM contact)",
        "SELECT a.email FROM contact a JOIN ier b ON a.email = b.current_email",
        "WITH c AS (SELECT * FROM contact) SELECT * FROM c UNION ALL SELECT * FROM c",
        "WITH RECURSIVE c AS (SELECT email FROM contact UNION SELECT email FROM c) SELECT * FROM c",
        "SELECT * FROM contact ORDER BY email, last_name",
        "SELECT email, count(*) FROM contact GROUP BY email HAVING max(first_name) IS NULL",
        "SELECT CASE WHEN first_name IS NULL THEN email ELSE first_name END FROM contact",
        "SELECT coalesce(email, custom) FROM contact",
        "SELECT contact FROM contact",
        "SELECT c.* FROM contact c CROSS JOIN LATERAL (SELECT c.email) AS x(y)",
        "EXPLAIN SELECT * FROM ier WHERE current_email = 'x'",
        "EXPLAIN VERBOSE SELECT * FROM ier",
        "EXPLAIN ANALYZE SELECT * FROM ier",
        "EXPLAIN ANALYZE VERBOSE SELECT max(current_email) FROM ier",
        "DESCRIBE ier",
        "SHOW TABLES",
        "SHOW ALL",
        "SELECT * FROM information_schema.columns",
        "SELECT * FROM pg_stats",
        "SELECT * FROM pg_stat_activity",
        "SELECT reltuples FROM pg_class",
    ] {
        tells_nothing(&client, sql).await;
    }
    served.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_on_what_is_masked_are_asked_of_the_mask() {
    let (world, people) = (filled().await, People::of_each_role());
    let served = people.serve(&world).await;
    let client = people.client(&served, "ana").await;
    for (condition, found) in [
        ("current_email = 'ana.ortiz@example.edu'", "0"),
        ("current_email = 'example.edu'", "2"),
        ("current_email LIKE '%ortiz%'", "0"),
        ("current_email LIKE 'secret%'", "0"),
        ("current_email > 'hidden'", "1"),
        ("length(current_email) = 21", "0"),
        ("current_email ~ '^ana'", "0"),
        ("strpos(current_email, '@') > 0", "0"),
        ("current_email IN (SELECT 'ana.ortiz@example.edu')", "0"),
        ("EXISTS (SELECT 1 FROM contact c WHERE c.email = 'ana.ortiz@example.edu')", "0"),
        ("merge_id = 'M-1'", "0"),
        ("lower(merge_id) = 'm-1'", "0"),
        ("custom IS NOT NULL", "0"),
    ] {
        assert_eq!(rows(&client, &format!("SELECT count(*) FROM ier WHERE {condition}")).await, [found], "{condition}");
    }
    assert_eq!(rows(&client, "SELECT count(*) FROM contact WHERE last_name = 'Ortiz' OR first_name = 'Ana'").await, ["0"]);
    assert_eq!(rows(&client, "SELECT count(*) FROM individual_link WHERE link_url LIKE '%ana%'").await, ["0"]);
    assert_eq!(rows(&client, "SELECT link_url FROM individual_link").await, ["example.edu"]);
    assert_eq!(rows(&client, "SELECT count(*) FROM ier_versions WHERE was IS NOT NULL").await, ["0"]);
    // What is asked of what is shown is answered as ever.
    assert_eq!(rows(&client, "SELECT count(*) FROM ier WHERE opened AND date_sent >= '2026-08-02'").await, ["1"]);
    served.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_other_units_are_not_there_whatever_is_asked() {
    let (world, people) = (filled().await, People::of_each_role());
    let served = people.serve(&world).await;
    let client = people.client(&served, "lea").await;
    for (sql, found) in [
        ("SELECT count(*) FROM ier", "1"),
        ("SELECT count(*) FROM email_send", "1"),
        ("SELECT name FROM business_unit", "Law School"),
        ("SELECT count(*) FROM rates_by_send", "1"),
        ("SELECT sum(sent) FROM rates_by_month", "1"),
        ("SELECT count(*) FROM ier_with_send", "1"),
        ("SELECT count(*) FROM send_coverage", "1"),
        ("SELECT count(*) FROM ier_as_of(TIMESTAMP '2030-01-01 00:00:00')", "1"),
        ("SELECT count(*) FROM ier_versions", "0"),
        ("SELECT max(sent_date) FROM ier", "2026-08-01"),
        ("SELECT count(*) FROM ier WHERE ier_id IS NOT NULL OR true", "1"),
        ("SELECT count(*) FROM ier a FULL JOIN ier b ON a.ier_id = b.ier_id", "1"),
        ("SELECT count(*) FROM email_send WHERE id IN (SELECT send_definition_id FROM ier)", "1"),
        ("SELECT count(*) FROM email_send s WHERE EXISTS (SELECT 1 FROM ier i WHERE i.send_definition_id = s.id)", "1"),
        ("SELECT (SELECT count(*) FROM ier)", "1"),
        ("SELECT count(*) FROM salesforce.et4ae5__individualemailresult__c", "1"),
        // A division that fails for a row of another unit does not fail.
        ("SELECT count(*) FROM ier WHERE 10 / (date_part('day', sent_date)::bigint - 3) <> 99", "1"),
        ("SELECT count(*) FROM ier WHERE CAST(substr(ier_id, 1, 0) || '1' AS bigint) = 1", "1"),
        ("SELECT count(*) FROM ier WHERE CASE WHEN sent_date > '2026-08-01' THEN CAST(ier_id AS bigint) = 1 ELSE true END", "1"),
        ("SELECT 10 / (date_part('day', sent_date)::bigint - 3) FROM ier ORDER BY 1 LIMIT 1", "-5"),
    ] {
        assert_eq!(rows(&client, sql).await, [found], "{sql}");
    }
    // What cannot be told by unit is refused, and says so.
    for sql in ["SELECT * FROM individual_link", "SELECT * FROM data_file", "SELECT * FROM load_coverage", "SELECT * FROM jobs"] {
        assert_eq!(code(&client, sql).await, "42501", "{sql}");
    }
    served.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_files_changes_anything_or_becomes_somebody_else() {
    let (world, people) = (filled().await, People::of_each_role());
    let served = people.serve(&world).await;
    for name in ["ana", "aud", "opa", "pia"] {
        let client = people.client(&served, name).await;
        for sql in [
            "COPY (SELECT 1) TO '/tmp/x'",
            "COPY (SELECT 1) TO PROGRAM 'id'",
            "COPY ier FROM STDIN",
            "COPY ier FROM '/etc/passwd'",
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
            "SELECT * FROM '/etc/passwd'",
            "SELECT * FROM \"/etc/passwd\"",
            "SET datafusion.runtime.temp_directory = '/tmp'",
            "SET datafusion.catalog.default_schema = 'x'",
            "SET ier.rollups = 'false'",
            "SELECT set_config('datafusion.runtime.memory_limit', '1G', false)",
            "SET ROLE pia",
            "SET SESSION AUTHORIZATION pia",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT pg_ls_dir('/')",
            "SELECT lo_import('/etc/passwd')",
            "SELECT * FROM dblink('x', 'y')",
            "PREPARE p AS DELETE FROM ier",
            "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/x'",
            "DECLARE c CURSOR WITH HOLD FOR COPY (SELECT 1) TO '/tmp/x'",
            "SELECT 1; DROP TABLE ier",
            "DELETE FROM ier",
            "SELECT * FROM information_schema.df_settings",
        ] {
            assert!(client.simple_query(sql).await.is_err(), "{name}: {sql}");
        }
        assert_eq!(rows(&client, "SHOW session_authorization").await, [name]);
    }
    served.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_a_person_in_any_way_is_refused_or_entered() {
    let (world, people) = (filled().await, People::of_each_role());
    let served = people.serve(&world).await;
    let analyst = people.client(&served, "ana").await;
    for sql in [
        format!("SELECT * FROM contact_history('{ANA}')"),
        format!("SELECT * FROM contact_history ( '{ANA}' )"),
        format!("SELECT * FROM CONTACT_HISTORY('{ANA}')"),
        format!("SELECT * FROM contact_observed('{ANA}')"),
        format!("SELECT * FROM contact_links('{ANA}')"),
        format!("SELECT * FROM person_ids('{ANA}')"),
        format!("SELECT count(*) FROM ier WHERE person_id = '{ANA}'"),
        format!("SELECT count(*) FROM ier WHERE '{ANA}' IN (person_id, contact_id)"),
        format!("SELECT count(*) FROM contact WHERE id = ANY(ARRAY['{ANA}'])"),
        format!("SELECT count(*) FROM ier JOIN (VALUES ('{ANA}')) AS v(id) ON person_id = v.id WHERE v.id = '{ANA}'"),
    ] {
        assert_eq!(code(&analyst, &sql).await, "42501", "{sql}");
    }
    let error = analyst.query("SELECT count(*) FROM ier WHERE person_id = $1", &[&ANA]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42501");
    drop::<Served>(served);
}
