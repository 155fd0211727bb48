//! Parquet, as Spark, pandas, fastparquet, Snowflake, BigQuery and DuckDB write it: `tests/door/make.py` made the files.

use std::path::{Path, PathBuf};

use ier::error::Kind;
use ier::jobs::load::LoadReport;

use crate::fixture::Fixture;

const MAILS: &str = "SELECT ier_id, merge_id, contact_id, email_name, job_id, date_sent FROM ier ORDER BY ier_id";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/door").join(name)
}

async fn loaded(name: &str) -> (Fixture, LoadReport) {
    let fixture = Fixture::empty().await;
    let report = fixture.load([file(name)]).await.unwrap();
    (fixture, report)
}

async fn refused(name: &str) -> String {
    let error = Fixture::empty().await.load([file(name)]).await.expect_err(name);
    assert_eq!(error.kind(), Kind::Invalid, "{error}");
    error.to_string()
}

/// The two mails, the first sent at this time of day.
fn table(sent: &str, job: &str) -> [String; 2] {
    [
        format!("a0Df40000000001EAA | m-1 | 003f40000000001AAA | OE 2026 – “deadline” 🎓 | {job} | 2026-08-06 {sent}"),
        format!("a0Df40000000002EAA | m-2 | - | - | {job} | 2026-08-07 15:00:00"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_mails_by_every_writer() {
    for name in ["spark", "pandas", "pandas-local", "fastparquet", "snowflake", "bigquery", "duckdb"] {
        let (fixture, report) = loaded(&format!("{name}.parquet")).await;
        assert_eq!((report.tables[0].read, report.tables[0].rejected), (2, 0), "{name}");
        assert_eq!(fixture.ask(MAILS).await, table("15:00:00.123456", "9013").map(|row| row.replace(".123456", "")), "{name}");
        let micros = fixture.ask("SELECT date_part('microsecond', date_sent) FROM ier ORDER BY ier_id").await;
        assert_eq!(micros, ["123456", "0"], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decimals_floats_and_what_a_data_frame_adds() {
    let (fixture, _) = loaded("snowflake.parquet").await;
    let sql = "SELECT number_of_total_clicks, opened, custom FROM ier ORDER BY ier_id";
    assert_eq!(fixture.ask(sql).await, [r#"3 | true | {"RATE__C":"0.50"}"#, r#"- | false | {"RATE__C":null}"#]);
    let (fixture, _) = loaded("pandas.parquet").await;
    assert_eq!(fixture.ask(sql).await, ["3 | - | -", "- | - | -"], "the frame's index is no field of the record");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_objects_are_kept_or_refused() {
    let (fixture, _) = loaded("bigquery.parquet").await;
    let custom = fixture.ask("SELECT custom FROM ier ORDER BY ier_id").await;
    assert_eq!(custom, [r#"{"Tags__c":"[{\"key\":\"a\",\"value\":1}]"}"#, r#"{"Tags__c":null}"#], "attributes are not kept");
    assert!(refused("list.parquet").await.contains("et4ae5__JobId__c is a list or an object, where job_id wants one value"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_texts_are_read_as_such() {
    let (fixture, report) = loaded("binary.parquet").await;
    assert_eq!(report.tables[0].rejected, 0);
    assert_eq!(fixture.ask(MAILS).await, table("15:00:00", "9013"), "moments are whole numbers of milliseconds there");
    let custom = fixture.ask("SELECT custom FROM ier ORDER BY ier_id").await;
    let run = r#""Run__c":"00000000-0000-0000-0000-000000000005""#;
    assert_eq!(custom, [format!("{{\"Bytes__c\":\"ff00\",{run}}}"), format!("{{\"Bytes__c\":null,{run}}}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_columns_leave_open_is_detected_from_the_whole_file() {
    let (fixture, report) = loaded("day-first.parquet").await;
    assert_eq!((report.tables[0].rejected, report.notes.len()), (0, 0));
    assert_eq!(fixture.ask("SELECT date_sent FROM ier ORDER BY 1").await, ["2026-08-06 15:00:00", "2026-08-31 15:00:00"]);
    let message = refused("units.parquet").await;
    assert!(message.contains("whole numbers of different units in row 1 and row 2"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_year_9999_is_an_open_end() {
    let (fixture, report) = loaded("affiliation.parquet").await;
    assert_eq!(report.tables[0].rejected, 0);
    let sql = "SELECT contact_id, left(end_date, 10) FROM affiliation ORDER BY 1";
    assert_eq!(fixture.ask(sql).await, ["003f40000000001AAA | 9999-12-31", "003f40000000003AAA | 2021-06-30"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_rows_is_no_rows() {
    let fixture = Fixture::empty().await;
    let report = fixture.load([file("spark.parquet"), file("no-rows.parquet")]).await.unwrap();
    assert_eq!((report.tables[0].read, report.empty.len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_tell_contacts_from_leads_and_null_may_be_a_name() {
    let fixture = Fixture::empty().await;
    let copy = fixture.file("export.parquet", std::fs::read(file("people.parquet")).unwrap());
    let report = fixture.load([copy]).await.unwrap();
    assert_eq!(report.tables[0].table, "contact");
    assert_eq!(fixture.ask("SELECT first_name, last_name, email FROM contact").await, ["Null | NA | -"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_without_a_zone_is_in_the_given_zone() {
    for (name, sent) in
        [("pandas-local", "21:00"), ("snowflake", "21:00"), ("spark", "15:00"), ("fastparquet", "15:00"), ("pandas", "15:00")]
    {
        let fixture = Fixture::empty().await;
        let mut request = fixture.request([file(&format!("{name}.parquet"))], None);
        request.asked.zone_is_given = true;
        Box::pin(ier::jobs::load::load(&fixture.warehouse, request, std::sync::Arc::new(ier::progress::Silent))).await.unwrap();
        let first = &fixture.ask("SELECT date_trunc('minute', date_sent) FROM ier ORDER BY 1").await[0];
        assert_eq!(*first, format!("2026-08-06 {sent}:00"), "{name}: instants stay what they are");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_encrypted_or_cut_is_refused() {
    let fixture = Fixture::empty().await;
    let error = fixture.load([fixture.file("x.parquet", b"PARE\0\0\0\0PARE")]).await.expect_err("encrypted");
    assert!(error.kind() == Kind::Invalid && error.to_string().contains("encrypted"), "{error}");
    let whole = std::fs::read(file("spark.parquet")).unwrap();
    for length in [whole.len() - 9, whole.len() / 2, 12] {
        let error = fixture.load([fixture.file("x.parquet", &whole[..length])]).await.expect_err("cut");
        assert!(error.kind() == Kind::Corrupt && error.to_string().contains("x.parquet"), "{error}");
    }
    let mut damaged = whole.clone();
    damaged[8..40].fill(0xA5);
    let error = fixture.load([fixture.file("x.parquet", &damaged)]).await.expect_err("damaged");
    assert!(error.kind() == Kind::Corrupt && error.to_string().contains("x.parquet"), "{error}");
}
