//! The planner's short ways: with and without them, statements have the same answers. Random SQL ([`crate::random_sql`]) asks much
//! more; here is what it does not come upon, or what once went wrong.
#![allow(clippy::unwrap_used)]

use futures::TryStreamExt;
use ier::query::engine::Engine;
use ier::query::limits::Limits;
use ier::query::planner::shortcuts::Shortcuts;

use crate::fixture::{Fixture, cells, limits};

/// Statements over rows that are alike, in shapes of all kinds.
const STATEMENTS: [&str; 40] = [
    // IERs with IERs: each side's rows count as often as they are.
    "SELECT count(*) FROM ier a JOIN ier b ON a.send_definition_id = b.send_definition_id",
    "SELECT a.tier, count(*), sum(a.number_of_total_clicks * b.number_of_total_clicks) FROM ier a JOIN ier b ON a.sent_date = b.sent_date GROUP BY 1",
    "SELECT count(*) FROM ier a, ier b, ier c WHERE a.tier = b.tier AND b.tier = c.tier AND a.opened",
    "SELECT count(*), max(b.date_opened), count(DISTINCT b.ier_id) FROM ier a JOIN ier b ON a.send_definition_id = b.send_definition_id",
    "SELECT count(*) FROM ier a LEFT JOIN ier b ON a.tier = b.tier WHERE a.number_of_total_clicks <= b.number_of_total_clicks",
    "WITH i AS (SELECT * FROM ier WHERE opened) SELECT a.tier, count(*) FROM i a JOIN i b ON a.email_name = b.email_name GROUP BY 1",
    "SELECT count(*) FROM salesforce.et4ae5__individualemailresult__c a JOIN ier b ON a.id = b.ier_id",
    "SELECT count(*) FROM ier_with_send a JOIN ier_with_send b ON a.send_definition_id = b.send_definition_id",
    // Subqueries that look outside.
    "SELECT count(*), sum(l.n) FROM ier i CROSS JOIN LATERAL (SELECT count(*) n FROM individual_link k WHERE k.ier_id = i.ier_id) l",
    "SELECT i.tier, count(*) FROM ier i, LATERAL (SELECT c.id FROM contact c WHERE c.id = i.contact_id) l GROUP BY 1",
    "SELECT i.tier, count(*) FROM ier i LEFT JOIN LATERAL (SELECT k.ier_id FROM individual_link k WHERE k.ier_id = i.ier_id) l ON true GROUP BY 1",
    "SELECT DISTINCT i.tier FROM ier i, LATERAL (SELECT 1 FROM individual_link k WHERE k.ier_id = i.ier_id) l",
    "SELECT tier, count(*) FROM ier i WHERE EXISTS (SELECT 1 FROM individual_link k WHERE k.ier_id = i.ier_id) GROUP BY 1",
    "SELECT tier, count(*) FROM ier i WHERE send_definition_id NOT IN (SELECT id FROM email_send WHERE number_sent > 2) GROUP BY 1",
    "SELECT s.id, (SELECT count(*) FROM ier i WHERE i.send_definition_id = s.id AND i.opened) AS n FROM email_send s",
    "SELECT count(*) FROM ier WHERE number_of_total_clicks >= ALL (SELECT number_of_unique_clicks FROM ier WHERE clicked)",
    // Groups that are named twice.
    "SELECT tier, count(*), min(date_sent) FROM ier GROUP BY tier, tier",
    "SELECT tier, opened, count(*) FROM ier GROUP BY 1, 2, 1",
    // Columns that have the names of ours.
    "SELECT sum(x.\"__rows\"), count(*) FROM (SELECT number_of_total_clicks AS \"__rows\", email_name FROM ier) x",
    "SELECT DISTINCT number_of_total_clicks AS \"__rows\" FROM ier",
    "SELECT min(d), max(d), count(\"__first_sent\") FROM (SELECT date_sent d, date_opened AS \"__first_sent\" FROM ier) x",
    "SELECT \"__counted_0\", count(*) FROM (SELECT email_name AS \"__counted_0\" FROM ier) x GROUP BY 1",
    "SELECT max(c.\"__rows\"), count(*) FROM (SELECT 1000 AS \"__rows\", id FROM email_send) c RIGHT JOIN ier i ON c.id = i.send_definition_id",
    // Moments.
    "SELECT count(*), min(date_sent), max(date_sent) FROM ier WHERE date_sent >= TIMESTAMP '2025-12-01 09:30:00'",
    "SELECT count(*) FROM ier WHERE date_sent BETWEEN TIMESTAMP '2025-12-01 00:00:00' AND TIMESTAMP '2026-08-31 00:00:00'",
    "SELECT date_trunc('hour', date_sent) AS h, date_part('minute', max(date_sent)) AS m, count(*) FROM ier GROUP BY 1",
    "SELECT local_day(date_sent) AS d, academic_term(date_sent) AS t, count(*), count(date_opened), count(date_unsubscribed) FROM ier GROUP BY 1, 2",
    "SELECT CAST(date_sent AS DATE) AS d, count(*) FILTER (WHERE date_opened IS NULL) FROM ier GROUP BY 1",
    // Who bounced or unsubscribed.
    "SELECT * FROM ier WHERE hard_bounce",
    "SELECT current_email, count(*) FROM ier WHERE hard_bounce GROUP BY 1",
    "SELECT person_id, tier, subject_line FROM ier WHERE date_unsubscribed IS NOT NULL OR (hard_bounce AND NOT opened)",
    "SELECT count(*) FROM ier WHERE hard_bounce OR date_unsubscribed > date_sent",
    "SELECT i.tier, c.name FROM ier i LEFT JOIN contact c ON c.id = i.contact_id WHERE i.hard_bounce AND i.date_sent > TIMESTAMP '2026-08-06 15:02:00'",
    "SELECT et4ae5__contact__c FROM salesforce.et4ae5__individualemailresult__c WHERE et4ae5__hardbounce__c",
    // Measures, and what stands above them.
    "SELECT email_name, avg(number_of_total_clicks), sum(number_of_total_clicks + 0.5), bool_or(opened), count(DISTINCT tier) FROM ier GROUP BY 1",
    "SELECT email_name, n, rank() OVER (ORDER BY n DESC, email_name) FROM (SELECT email_name, sent(i) AS n FROM ier i GROUP BY 1) t",
    "SELECT tier, opened, count(*), grouping(opened) FROM ier GROUP BY GROUPING SETS ((tier, opened), (tier), ())",
    "SELECT contact_id, count(*), max(date_sent) FROM ier GROUP BY 1 HAVING count(*) > 1",
    "SELECT count(DISTINCT canonical_person(person_id)), count(DISTINCT contact_id) FROM ier WHERE opened",
    "SELECT lead_id, date_trunc('month', date_sent) AS m, sum(number_of_total_clicks) FILTER (WHERE clicked) FROM ier GROUP BY 1, 2",
];

async fn sorted(engine: &Engine, sql: &str) -> Result<Vec<Vec<String>>, String> {
    let stream = engine.sql(sql).await.map_err(|error| error.to_string())?;
    let batches: Vec<_> = stream.try_collect().await.map_err(|error| error.to_string())?;
    let mut rows = cells(&batches);
    rows.sort();
    Ok(rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn shortcuts_change_no_answer() {
    let fixture = Fixture::filled().await;
    let without = Shortcuts::without("rollups, selection, rare_rows, person_runs, texts_once, raw_pages").unwrap();
    let plain = Engine::open(fixture.warehouse.clone(), Limits { shortcuts: without, ..limits() }).await.unwrap();
    for archived in [false, true] {
        if archived {
            fixture.archive().await;
        }
        for sql in STATEMENTS {
            let expected = sorted(&plain, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            assert_eq!(sorted(&fixture.engine, sql).await, Ok(expected), "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rollups_are_read_where_they_suffice() {
    let fixture = Fixture::filled().await;
    for (sql, is_read) in [
        ("SELECT email_name, sent(i), open_rate(i) FROM ier i GROUP BY 1", true),
        ("SELECT s.name, count(*) FROM ier i JOIN email_send s ON s.id = i.send_definition_id WHERE i.opened GROUP BY 1", true),
        ("SELECT DISTINCT email_name, subject_line FROM ier", true),
        ("SELECT local_month(date_sent) AS m, count(*) FROM ier GROUP BY 1", true),
        ("SELECT * FROM rates_by_send", true),
        ("SELECT contact_id, count(*) FROM ier GROUP BY 1", false),
        ("SELECT count(*) FROM ier WHERE date_sent > TIMESTAMP '2025-12-01 00:00:00'", false),
    ] {
        let plan = sorted(&fixture.engine, &format!("EXPLAIN {sql}")).await.unwrap().concat().concat();
        assert_eq!(plan.contains("RollupExec"), is_read, "{sql}\n{plan}");
    }
}

/// Raw pages are a short way below the plan: people are looked up by each of their ids, in hot and in archive, with all columns.
#[tokio::test(flavor = "multi_thread")]
async fn people_are_the_same_without_raw_pages() {
    let fixture = Fixture::filled().await;
    let without = Limits { shortcuts: Shortcuts::without("raw_pages").unwrap(), ..limits() };
    let plain = Engine::open(fixture.warehouse.clone(), without).await.unwrap();
    let people = "SELECT DISTINCT person_id FROM ier WHERE person_id IS NOT NULL UNION SELECT DISTINCT person_id FROM individual_link WHERE person_id IS NOT NULL";
    for archived in [false, true] {
        if archived {
            fixture.archive().await;
        }
        let people = sorted(&plain, people).await.unwrap().concat();
        assert!(people.len() > 3, "{people:?}");
        for person in &people {
            for sql in [
                format!("SELECT * FROM ier WHERE person_id = '{person}'"),
                format!("SELECT * FROM individual_link WHERE person_id = '{person}'"),
                format!("SELECT count(*), min(date_opened) FROM ier WHERE person_id IN ('{person}', '{}')", people[0]),
                format!("SELECT * FROM contact_history('{person}')"),
            ] {
                assert_eq!(sorted(&fixture.engine, &sql).await, sorted(&plain, &sql).await, "{sql}");
            }
        }
        let sql = format!("EXPLAIN SELECT * FROM ier WHERE person_id = '{}'", people[0]);
        for (engine, is_off) in [(&fixture.engine, false), (&plain, true)] {
            let plan = sorted(engine, &sql).await.unwrap().concat().concat();
            assert!(plan.contains("PeopleExec") && plan.contains("raw_pages=off") == is_off, "{plan}");
        }
    }
}
