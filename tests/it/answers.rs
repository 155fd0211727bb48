//! The answers `data/README.md` promises, each asked three times: all rows hot, then archived, then compacted.
//!
//! Whoever doubts an answer can follow it with a pencil: the records are in `data/`, row by row.
#![allow(clippy::unwrap_used)]

use arrow::array::RecordBatch;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;
use ier::error::Kind;

use crate::fixture::{Fixture, cells, data};

/// Asks each question at every stage of the records' life; the answer never changes.
async fn always(questions: &[(&str, &[&str])]) {
    let fixture = Fixture::filled().await;
    for stage in ["hot", "archived", "compacted", "archived and loaded again"] {
        match stage {
            "archived" => assert_eq!(fixture.archive().await.tables[0].rows, 10),
            "compacted" => {
                fixture.compact().await;
            }
            "archived and loaded again" => assert!(!fixture.load([data()]).await.unwrap().changed(), "all of it is known"),
            _ => {}
        }
        for (sql, expected) in questions {
            assert_eq!(fixture.ask(sql).await, *expected, "{stage}: {sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_per_table() {
    always(&[
        ("SELECT count(*), count(DISTINCT ier_id) FROM ier", &["15 | 15"]),
        ("SELECT count(*) FROM individual_link", &["7"]),
        ("SELECT count(*) FROM aggregate_link", &["5"]),
        ("SELECT count(*) FROM email_send", &["4"]),
        ("SELECT count(*) FROM triggered_send", &["1"]),
        ("SELECT count(*) FROM business_unit", &["2"]),
        ("SELECT count(*) FROM contact", &["6"]),
        ("SELECT count(*) FROM lead", &["2"]),
        ("SELECT count(*) FROM affiliation", &["6"]),
        ("SELECT count(*) FROM employment", &["3"]),
        ("SELECT count(*) FROM not_sent", &["4"]),
        ("SELECT count(DISTINCT contact_id) FROM affiliation", &["4"]),
        ("SELECT department FROM employment WHERE title = 'Professor'", &["\"Honors\" Program, Physics"]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rows_are_rejected_with_line_and_reason() {
    let fixture = Fixture::empty().await;
    let report = fixture.load([data()]).await.unwrap();
    let iers = report.tables.iter().find(|table| table.table == "individual_email_result").unwrap();
    assert_eq!((iers.read, iers.inserted, iers.rejected), (24, 15, 2));
    for table in &report.tables {
        assert_eq!(table.read, table.accounted_for(), "{}", table.table);
    }
    let rejects = std::fs::read_to_string(fixture.rejects()).unwrap();
    let file = data().join("individual_email_result.csv").display().to_string();
    assert_eq!(rejects.lines().count(), 3, "a header and two rows");
    assert!(rejects.contains(&format!("{file},10,\"Id \"\"a0Df40000000004EA\"\": an id has 15 or 18 characters, this has 17\"")));
    assert!(rejects.contains(&format!("{file},15,\"et4ae5__DateSent__c \"\"2026-13-45T16:00:00.000Z\"\": not a moment")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_the_files_does_not_matter() {
    let all = "SELECT * EXCEPT (tier) FROM ier ORDER BY ier_id";
    let expected = Fixture::filled().await.ask(all).await;
    let files = ["individual_email_result-late.csv", "individual_email_result.csv"].map(|name| data().join(name));
    for files in [vec![&files[0], &files[1]], vec![&files[1], &files[0]]] {
        let (one_by_one, archived_between) = (Fixture::empty().await, Fixture::empty().await);
        for file in files {
            one_by_one.load([file]).await.unwrap();
            archived_between.load([file]).await.unwrap();
            archived_between.archive().await;
        }
        assert_eq!(one_by_one.ask(all).await, expected);
        assert_eq!(archived_between.ask(all).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn monthly_rates() {
    always(&[
        (
            "SELECT month, sent, opened, clicked, bounced FROM rates_by_month ORDER BY month",
            &[
                "2025-11-01 | 1 | 1 | 0 | 0",
                "2025-12-01 | 3 | 2 | 1 | 0",
                "2026-08-01 | 6 | 3 | 2 | 1",
                "2026-09-01 | 1 | 1 | 0 | 0",
                "2026-10-01 | 4 | 2 | 1 | 1",
            ],
        ),
        ("SELECT sum(sent), sum(opened), sum(clicked), sum(bounced) FROM rates_by_month", &["15 | 9 | 4 | 2"]),
        (
            "SELECT date_trunc('month', date_sent) AS month, count(*) FROM ier GROUP BY 1 ORDER BY 1 NULLS LAST",
            &[
                "2025-11-01 00:00:00 | 1",
                "2025-12-01 00:00:00 | 3",
                "2026-08-01 00:00:00 | 6",
                "2026-09-01 00:00:00 | 1",
                "2026-10-01 00:00:00 | 3",
                "- | 1",
            ],
        ),
        (
            "SELECT to_char(date_trunc('month', date_sent AT TIME ZONE 'America/Denver'), '%Y-%m') AS month, count(*)
             FROM ier WHERE date_sent IS NOT NULL GROUP BY 1 ORDER BY 1",
            &["2025-11 | 4", "2026-08 | 7", "2026-10 | 3"],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_of_cu_connections() {
    let send = "a0Bf40000000001EAA";
    always(&[
        (
            &format!(
                "SELECT send_name, sent, delivered, opened, open_rate, clicked, click_rate, bounced, bounce_rate, unsubscribed
                 FROM rates_by_send WHERE send_definition_id = '{send}'"
            ),
            &["ES-000001 | 6 | 5 | 3 | 0.6 | 2 | 0.4 | 1 | 0.1667 | 0"],
        ),
        (
            &format!(
                "SELECT number_sent, number_sent - number_of_hard_bounces - number_of_soft_bounces, number_of_unique_opens,
                        number_of_unique_clicks, number_of_hard_bounces, number_unsubscribed
                 FROM email_send WHERE id = '{send}'"
            ),
            &["6 | 5 | 3 | 2 | 1 | 0"],
        ),
        (
            &format!("SELECT person_id FROM ier WHERE send_definition_id = '{send}' AND opened AND NOT clicked ORDER BY 1"),
            &["003f40000000004AAA", "003f4000000000AAAQ"],
        ),
        (
            &format!(
                "SELECT c.name FROM ier i JOIN contact c ON c.id = i.contact_id
                 WHERE send_definition_id = '{send}' AND clicked AND NOT opened"
            ),
            &["Dana Kim"],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_file_alone_has_two_opens() {
    let fixture = Fixture::empty().await;
    fixture.load([data().join("individual_email_result.csv"), data().join("email_send.csv")]).await.unwrap();
    let opened = "SELECT opened FROM rates_by_send WHERE send_definition_id = 'a0Bf40000000001EAA'";
    assert_eq!(fixture.ask(opened).await, ["2"]);
    fixture.archive().await;
    fixture.load([data().join("individual_email_result-late.csv")]).await.unwrap();
    assert_eq!(fixture.ask(opened).await, ["3"], "a late open shows at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_of_open_enrolment() {
    let send = "a0Bf40000000002EAA";
    always(&[
        (
            &format!(
                "SELECT sent, delivered, opened, clicked, unsubscribed, bounced FROM rates_by_send
                 WHERE send_definition_id = '{send}'"
            ),
            &["4 | 3 | 2 | 1 | 1 | 1"],
        ),
        (
            &format!(
                "SELECT CAST(count(*) AS DOUBLE) / max(send_number_sent), max(send_number_sent), max(send_unit_name)
                 FROM ier_with_send WHERE send_definition_id = '{send}'"
            ),
            &["0.8 | 5 | Employee Services"],
        ),
        (
            &format!("SELECT number_sent - number_of_hard_bounces - number_of_soft_bounces FROM email_send WHERE id = '{send}'"),
            &["3"],
        ),
        (
            &format!(
                "SELECT person_id, clicked, date_unsubscribed FROM ier WHERE send_definition_id = '{send}' AND opened
                 ORDER BY person_id"
            ),
            &["003f40000000001AAA | false | 2026-10-21 02:21:00", "00Qf40000000002EAA | true | -"],
        ),
        (
            &format!("SELECT ier_id FROM ier WHERE send_definition_id = '{send}' AND hard_bounce AND soft_bounce"),
            &["a0Df40000000008EAA"],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_recorded_as_not_sent() {
    always(&[(
        "SELECT job_id, person_id, event_date, reason FROM not_sent ORDER BY event_date",
        &[
            "9001 | - | 2026-08-06 15:00:00 | List exclusion",
            "9002 | 003f4000000000AAAQ | 2026-10-20 16:00:05 | Subscriber unsubscribed",
            "7001 | 003f40000000003AAA | 2026-11-01 05:30:00 | Subscriber held: earlier bounces",
            "7001 | 003f40000000003AAA | 2026-11-02 16:00:00 | Subscriber held: earlier bounces",
        ],
    )])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_much_of_each_send_is_here() {
    always(&[(
        "SELECT send_definition_id, job_id, number_sent, iers_seen, share_seen, tracking_disabled, last_modstamp
         FROM send_coverage ORDER BY date_sent",
        &[
            "a0Bf40000000003EAA | 8001 | 3 | 3 | 1 | false | 2025-12-01 15:15:40",
            "a0Bf40000000001EAA | 9001 | 6 | 6 | 1 | false | 2026-11-10 14:15:40",
            "a0Bf40000000004EAA | 9003 | 1200 | 0 | 0 | true | -",
            "a0Bf40000000002EAA | 9002 | 5 | 4 | 0.8 | false | 2026-11-01 08:00:40",
        ],
    )])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_without_tracking_is_no_evidence() {
    always(&[(
        "SELECT s.number_sent, s.individual_tracking_disabled, count(i.ier_id)
         FROM email_send s LEFT JOIN ier i ON i.send_definition_id = s.id
         WHERE s.id = 'a0Bf40000000004EAA' GROUP BY 1, 2",
        &["1200 | true | 0"],
    )])
    .await;
}

/// Ana's own id, the contacts merged into her and the leads converted into her, however long the chain.
const ANA: &str = "
    WITH RECURSIVE alias AS (
        SELECT id, master_record_id AS known_as FROM contact
        UNION ALL SELECT id, coalesce(converted_contact_id, master_record_id) FROM lead
    ), ana AS (
        SELECT '003f40000000001AAA' AS id
        UNION ALL SELECT alias.id FROM alias JOIN ana ON alias.known_as = ana.id
    )";

#[tokio::test(flavor = "multi_thread")]
async fn anas_history() {
    always(&[
        (
            &format!(
                "{ANA} SELECT date_sent, ier_id, substr(person_id, 1, 3), opened, clicked, number_of_total_clicks,
                        number_of_unique_clicks, date_unsubscribed IS NOT NULL AS unsubscribed, is_deleted
                 FROM ier WHERE person_id IN (SELECT id FROM ana) ORDER BY date_sent, ier_id"
            ),
            &[
                "2025-12-01 05:30:00 | a0Df40000000011EAA | 003 | true | false | 0 | 0 | false | false",
                "2025-12-01 05:30:00 | a0Df40000000012EAA | 00Q | false | false | 0 | 0 | false | false",
                "2025-12-01 05:30:01 | a0Df40000000013EAA | 003 | true | true | 1 | 1 | false | false",
                "2026-08-06 15:00:00 | a0Df40000000001EAA | 003 | true | true | 3 | 2 | false | false",
                "2026-08-06 15:01:00 | a0Df40000000002EAA | 003 | false | false | 0 | 0 | false | true",
                "2026-10-20 16:00:00 | a0Df40000000007EAA | 003 | true | false | 0 | 0 | true | false",
            ],
        ),
        ("SELECT count(*) FROM ier WHERE contact_id = '003f40000000001AAA'", &["3"]),
        ("SELECT count(*) FROM ier WHERE person_id = '003f40000000001AAA'", &["3"]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn known_contacts_stay_known() {
    always(&[
        // Chen was deleted: three late rows came back without contact.
        (
            "SELECT ier_id, contact_id, system_modstamp FROM ier WHERE contact_id = '003f40000000004AAA' ORDER BY 1",
            &[
                "a0Df40000000004EAA | 003f40000000004AAA | 2026-11-01 08:00:40",
                "a0Df40000000009EAA | 003f40000000004AAA | 2026-11-01 08:00:40",
                "a0Df40000000014EAA | 003f40000000004AAA | 2026-11-01 08:00:40",
            ],
        ),
        // Eli's was created again under a new id, with its key in lower case: still one IER, under the newest id.
        (
            "SELECT ier_id, opened, date_opened FROM ier WHERE person_id = '003f4000000000AAAQ'",
            &["a0Df40000000096EAA | true | 2026-11-10 14:02:00"],
        ),
        // Dana's id differs from Eli's by case alone.
        (
            "SELECT ier_id, opened, clicked FROM ier WHERE person_id = '003f4000000000aAAA'",
            &["a0Df40000000005EAA | false | true"],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bounces_and_the_pricing_link() {
    always(&[
        (
            "SELECT person_id, count(*), min(ier_id), max(ier_id) FROM ier WHERE hard_bounce GROUP BY 1 HAVING count(*) > 1",
            &["003f40000000003AAA | 2 | a0Df40000000003EAA | a0Df40000000008EAA"],
        ),
        (
            "SELECT person_id, last_clicked FROM individual_link WHERE link_name = 'Pricing'",
            &["003f40000000001AAA | 2026-08-06 16:05:00"],
        ),
        (
            "SELECT link_url FROM individual_link WHERE link_id = 'a0Ef40000000004EAA'",
            &["https://giving.example.org/now?src=email&from=8001"],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moves_to_the_archive_on_15_november() {
    let fixture = Fixture::filled().await;
    let report = fixture.archive().await;
    assert_eq!(report.until.to_string(), "2026-08-17");
    let moved: Vec<_> = report.tables.iter().map(|table| (table.table.as_str(), table.rows, table.months)).collect();
    assert_eq!(moved, [("individual_email_result", 10, 3), ("individual_link", 4, 2)]);
    for _again in 0..2 {
        let split =
            "SELECT tier, count(*), string_agg(substr(ier_id, 12, 4), ' ' ORDER BY ier_id) FROM ier GROUP BY 1 ORDER BY 1";
        assert_eq!(
            fixture.ask(split).await,
            ["archive | 10 | 0001 0002 0003 0004 0005 0011 0012 0013 0015 0096", "hot | 5 | 0007 0008 0009 0010 0014"]
        );
        let links = "SELECT tier, count(*), string_agg(substr(link_id, 12, 4), ' ' ORDER BY link_id) FROM individual_link GROUP BY 1 ORDER BY 1";
        assert_eq!(fixture.ask(links).await, ["archive | 4 | 0001 0002 0003 0004", "hot | 3 | 0005 0006 0007"]);
        let orphan = "SELECT person_id, date_sent FROM individual_link WHERE link_id = 'a0Ef40000000007EAA'";
        assert_eq!(fixture.ask(orphan).await, ["- | -"]);
        let again = fixture.archive().await;
        assert!(again.tables.iter().all(|table| table.rows == 0 && table.files_written == 0), "running again moves nothing");
        fixture.compact().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_takes_either_form_of_an_id_and_values_are_bound() {
    let fixture = Fixture::filled().await;
    fixture.archive().await;
    let rows = async |stream: SendableRecordBatchStream| {
        let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
        cells(&batches)
    };
    for id in ["003f40000000001", "003f40000000001AAA", " 003f40000000001AAA\n", "003F40000000001AAA", "00Qf40000000001"] {
        let history = rows(fixture.engine.history(id).await.unwrap()).await;
        let sent: Vec<&str> = history.iter().map(|row| row[0].as_str()).collect();
        let expected = [
            "2026-10-20 16:00:00",
            "2026-08-06 15:01:00",
            "2026-08-06 15:00:00",
            "2025-12-01 05:30:01",
            "2025-12-01 05:30:00",
            "2025-12-01 05:30:00",
        ];
        assert_eq!(sent, expected, "newest first, under all ids: {id:?}");
    }
    for (id, says) in [("Ana Ortiz", "no Salesforce id"), ("003f40000000001AAB", "do not fit"), ("a0Bf40000000001EAA", "a0B")] {
        let error = fixture.engine.history(id).await.map(|_| ()).unwrap_err();
        assert!(error.kind() == Kind::Invalid && error.to_string().contains(says), "{error}");
    }
    let by_name = "SELECT count(*) FROM email_send WHERE email_name = $1 AND number_sent >= $2";
    for (name, expected) in [("OE 2026 – deadline reminder", "1"), ("' OR true --", "0")] {
        let values = ParamValues::from(vec![ScalarValue::from(name), ScalarValue::from(1_i32)]);
        assert_eq!(rows(fixture.engine.sql_with(by_name, values).await.unwrap()).await, [[expected]], "{name}");
    }
    let missing = fixture.engine.sql(by_name).await.map(|_| ()).unwrap_err();
    assert_eq!(missing.kind(), Kind::Invalid, "{missing}");
}
