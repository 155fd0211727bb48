//! The questions people bring, each asked of `data/`, with an answer that was found by hand (see `data/README.md`).
//!
//! The files of `sql/questions` are what is tested: they are asked by name, with parameters as a person gives them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use ier::error::Result;
use ier::query::question::{Default, find, library};

use crate::fixture::{Fixture, cells};

async fn try_ask(fixture: &Fixture, name: &str, given: &[(&str, &str)]) -> Result<Vec<String>> {
    let questions = library(None, drop).unwrap();
    let given: BTreeMap<String, String> = given.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let stream = fixture.engine.sql_given(&find(&questions, name).unwrap().sql, &given).await?;
    let columns: Vec<String> = stream.schema().fields().iter().map(|field| field.name().clone()).collect();
    let by = given.get("by").map_or_else(|| if name == "time_to_open" { "send" } else { "month" }, String::as_str);
    let reported = find(&questions, name).unwrap().columns.iter().map(|(name, _)| name.replace("$by", by));
    let reported: Vec<String> = reported.collect();
    assert_eq!(columns, reported, "{name}: the head names its columns");
    let batches: Vec<RecordBatch> = stream.try_collect().await?;
    Ok(cells(&batches).into_iter().map(|row| row.join(" | ")).collect())
}

/// Question, parameters, and the answer's rows.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

const CASES: [Case; 26] = [
    (
        "told",
        &[("id", "003f40000000002"), ("about", "giving day")],
        &[
            "2025-12-01 05:30:01 | Giving Day 2025 | appeal 1 | \"One day, every gift\" – will you join us? | sent, clicked | \
             2025-12-01 06:20:00 | 2026-11-15 12:00:00 | a0Df40000000013EAA | archive",
            "2025-12-01 05:30:00 | Giving Day 2025 | appeal 1 | \"One day, every gift\" – will you join us? | sent, opened | \
             2025-12-01 15:02:00 | 2026-11-15 12:00:00 | a0Df40000000011EAA | archive",
            "2025-12-01 05:30:00 | Giving Day 2025 | appeal 1 | \"One day, every gift\" – will you join us? | sent, nothing recorded since | \
             - | 2026-11-15 12:00:00 | a0Df40000000012EAA | archive",
        ],
    ),
    (
        "told",
        &[("id", "003f4000000000AAAQ"), ("about", "enrolment"), ("from", "2026-10-01")],
        &[
            "2026-10-20 16:00:05 | OE 2026 – deadline reminder | Benefits: open enrolment ends Friday | not sent: Subscriber unsubscribed | - | \
           - | 9002 003f4000000000AAAQ | not_sent",
        ],
    ),
    // Ana is staff under one id and was written to under three.
    (
        "audience_opens",
        &[("audience", "Staff"), ("about", "CU")],
        &["Denver | Public Affairs | 1 | 1 | 1 | 2", "all | - | 1 | 1 | 1 | 2"],
    ),
    ("audience_opens", &[], &["Boulder | Arts & Sciences | 1 | 0 | 0 | 1", "all | - | 1 | 0 | 0 | 1"]),
    // Ana counts as staff and as alumna, and once in the last row.
    (
        "audience_engagement",
        &[],
        &[
            "Alumni | 2 | 7 | 7 | 5 | 2 | 0.7143 | 0.2857",
            "Donor | 1 | 1 | 1 | 1 | 0 | 1 | 0",
            "Faculty | 1 | 3 | 1 | 1 | 0 | 1 | 0",
            "Staff | 1 | 6 | 6 | 4 | 2 | 0.6667 | 0.3333",
            "Student | 1 | 1 | 1 | 0 | 1 | 0 | 1",
            "all | 4 | 11 | 9 | 6 | 3 | 0.6667 | 0.3333",
        ],
    ),
    (
        "opened_not_clicked",
        &[],
        &["003f40000000001AAA | Giving Day 2025 | appeal 1 | 2025-12-01 05:30:00 | 2025-12-01 15:02:00 | 0"],
    ),
    ("readers", &[("link", "example"), ("at_least", "3")], &["003f40000000001AAA | 3 | 4 | 2026-08-06 16:05:00"]),
    ("readers", &[("link", "example"), ("at_least", "4")], &[]),
    // Law in Boulder was Ana's department until 2019.
    (
        "policy_clicks",
        &[("campus", "Denver"), ("link", "example")],
        &["003f40000000001AAA | Registrar | 3 | 2026-08-06 16:05:00"],
    ),
    ("policy_clicks", &[("campus", "Boulder"), ("link", "example")], &[]),
    (
        "rates",
        &[("by", "send"), ("from", "2026-10-01")],
        &["OE 2026 – deadline reminder (ES-000002) | 4 | 3 | 0.6667 | 0.3333 | 0.25 | 0.3333 | 5 | 0.6667 | 0.3333"],
    ),
    // Everybody has opened or clicked something.
    ("never_open", &[("at_least", "1")], &[]),
    (
        "reached_not_opened",
        &[("send", "a0Bf40000000001")],
        &["003f40000000001AAA | CU Connections - August 6, 2026 #31 | 2026-08-06 15:01:00"],
    ),
    // Of what has no time of sending its day is known.
    ("reached_not_opened", &[("about", "enrolment")], &["003f40000000004AAA | OE 2026 – deadline reminder | -"]),
    (
        "clicks_by_owner",
        &[("from", "2026-08-01")],
        &[
            "005f40000000001AAA | 00Qf40000000002EAA | Fay Lund | fay.lund@example.org | 2 | Compare plans; Policy: leave | 2026-10-20 17:36:00",
            "005f40000000001AAA | 003f4000000000aAAA | Dana Kim | dana.kim@example.edu | 1 | Read more | 2026-08-06 17:50:00",
            "005f40000000001AAA | 003f40000000001AAA | Ana Ortiz | ana.ortiz@example.edu | 2 | Pricing; Read more | 2026-08-06 16:05:00",
        ],
    ),
    (
        "link_clickers",
        &[("from", "2026-08-06"), ("to", "2026-08-06")],
        &["003f40000000001AAA | https://www.example.edu/benefits/pricing | 1 | 2026-08-06 16:05:00"],
    ),
    ("fatigue", &[("from", "2025-01-01")], &["1 | 8 | 1 | 0.125", "2 | 2 | 0 | 0", "3 | 1 | 0 | 0"]),
    // Months are Denver's. The send of September has no records: it was not tracked.
    (
        "rates",
        &[],
        &[
            "2025-11-01 | 4 | 4 | 0.75 | 0.25 | 0 | 0 | 3 | 0.6667 | 0.3333",
            "2026-08-01 | 7 | 6 | 0.6667 | 0.3333 | 0.1429 | 0 | 6 | 0.6 | 0.4",
            "2026-09-01 | - | - | - | - | - | - | 1200 | 0.3387 | 0",
            "2026-10-01 | 4 | 3 | 0.6667 | 0.3333 | 0.25 | 0.3333 | 5 | 0.6667 | 0.3333",
        ],
    ),
    (
        "rates",
        &[("by", "unit"), ("from", "2026-10-01")],
        &["Employee Services | 4 | 3 | 0.6667 | 0.3333 | 0.25 | 0.3333 | 5 | 0.6667 | 0.3333"],
    ),
    ("hard_bounced", &[], &["- | 003f40000000003AAA | 2 | 2026-10-20 16:01:00"]),
    // Opened after 1.4667 and 10.3333 hours; a tenth of the way from one to the other, half of it, nine tenths.
    (
        "time_to_open",
        &[("from", "2026-10-01")],
        &["OE 2026 – deadline reminder | 2026-10-20 16:00:00 | 3 | 2 | 0.6667 | 2.3533 | 5.9 | 9.4467 | 0"],
    ),
    (
        "time_to_open",
        &[("by", "hour"), ("from", "2026-10-01")],
        &["10 | 2026-10-20 16:00:00 | 2 | 2 | 1 | 2.3533 | 5.9 | 9.4467 | 0", "no time | - | 1 | 0 | 0 | - | - | - | 0"],
    ),
    // Ana has opened one of hers, Dana clicked hers: nobody to whom one was delivered did nothing.
    ("audience", &[("did", "not_opened")], &[]),
    (
        "audience",
        &[("did", "not_clicked")],
        &[
            "003f40000000003AAA | 3 | 2026-10-20 16:01:00",
            "003f40000000004AAA | 3 | 2026-09-01 03:10:00",
            "003f4000000000AAAQ | 1 | 2026-08-06 15:05:00",
        ],
    ),
    ("audience", &[("about", "giving")], &["003f40000000001AAA | 3 | 2025-12-01 05:30:01"]),
    ("audience_among", &[("audience", "donor")], &["003f4000000000AAAQ | 1 | 2026-08-06 15:05:00"]),
];

#[tokio::test]
async fn each_question_has_its_answer_before_and_after_archiving() {
    let fixture = Fixture::filled().await;
    for archived in [false, true] {
        for (name, given, expected) in CASES {
            let rows = match try_ask(&fixture, name, given).await {
                Ok(rows) => rows,
                Err(error) => panic!("{name}: {error}"),
            };
            let expected: Vec<String> = match archived {
                true => expected.iter().map(|row| (*row).to_owned()).collect(),
                false => expected.iter().map(|row| row.replace("| archive", "| hot")).collect(),
            };
            assert_eq!(rows, expected, "{name} {given:?}, archived: {archived}");
        }
        fixture.archive().await;
    }
}

#[tokio::test]
async fn every_question_runs_with_its_defaults() {
    let fixture = Fixture::filled().await;
    for question in library(None, drop).unwrap() {
        let required = question.parameters.iter().any(|parameter| parameter.default == Default::Required);
        let given: &[(&str, &str)] = if required { &[("id", "003f40000000001")] } else { &[] };
        assert!(try_ask(&fixture, &question.name, given).await.is_ok(), "{}", question.name);
        assert!(
            CASES.iter().any(|(name, ..)| *name == question.name) || question.name == "storage",
            "{} is not tested",
            question.name
        );
    }
}

/// What a record costs here depends on the files; that every record is counted, and its share of the files with it, does not.
#[tokio::test]
async fn storage_shares_the_bytes_of_the_files_among_their_records() {
    let fixture = Fixture::filled().await;
    fixture.archive().await;
    let bytes = "SELECT sum(bytes) FROM data_file WHERE table_name = 'individual_email_result'";
    let total: i64 = fixture.ask(bytes).await[0].parse().unwrap();
    for (by, first) in [
        ("month", "2025-11 | 1 | 2048"),
        ("send", "CU Connections - August 6, 2026 #31 | 6 | 12288"),
        ("unit", "CU System | 9 | 18432"),
    ] {
        let rows = try_ask(&fixture, "storage", &[("by", by)]).await.unwrap();
        assert!(rows[0].starts_with(first), "{}", rows[0]);
        let cell = |row: &String, at: usize| row.rsplit(" | ").nth(at).unwrap().parse::<i64>().unwrap();
        assert_eq!(rows.iter().map(|row| cell(row, 3)).sum::<i64>(), 15, "{by}");
        let reported: i64 = rows.iter().map(|row| cell(row, 1)).sum();
        assert!((reported - total).abs() <= rows.len() as i64, "{by}: {reported} of {total}");
    }
}

#[tokio::test]
async fn a_wrong_parameter_is_refused_with_the_reason() {
    let fixture = Fixture::filled().await;
    for (name, given, part) in [
        ("told", &[][..], "id is missing: one of the person's ids"),
        ("told", &[("id", "003f400000000011")], "id: an id has 15 or 18 characters, this has 16"),
        ("rates", &[("from", "soon")], "from is \"soon\"; give a day"),
        ("rates", &[("by", "Month")], "by is \"Month\"; give one of month, send, unit"),
        ("rates", &[("unit", "x")], "has no parameter unit: it has by, from, to"),
    ] {
        let error = try_ask(&fixture, name, given).await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let undeclared =
        fixture.try_ask("-- Who?\n-- Parameters:\n--   a  text  any  what\nSELECT $b").await.unwrap_err().to_string();
    assert!(undeclared.contains("declares no parameter b"), "{undeclared}");
    // A value is a value, whatever it says.
    let given = BTreeMap::from([("a".to_owned(), "'; DROP TABLE ier --".to_owned())]);
    let asked = "-- Who?\n-- Parameters:\n--   a  text  -  what\nSELECT $a AS a";
    let quoted = fixture.engine.sql_given(asked, &given);
    let batches: Vec<RecordBatch> = quoted.await.unwrap().try_collect().await.unwrap();
    assert_eq!(cells(&batches), [["'; DROP TABLE ier --"]]);
}

#[tokio::test]
async fn a_question_shown_with_its_parameters_asks_the_same() {
    let fixture = Fixture::filled().await;
    let questions = library(None, drop).unwrap();
    let given = BTreeMap::from([("link".to_owned(), "example".to_owned()), ("at_least".to_owned(), "3".to_owned())]);
    let shown = find(&questions, "readers").unwrap().with(&given).unwrap();
    let rows = fixture.ask(&shown).await;
    assert_eq!(rows, try_ask(&fixture, "readers", &[("link", "example"), ("at_least", "3")]).await.unwrap());
}
