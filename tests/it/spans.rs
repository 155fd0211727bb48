//! People's attributes in time: what they were when it was sent, and what they are now, whatever was loaded in between.
#![allow(clippy::unwrap_used)]

use chrono::Duration;
use ier::jobs::load::{LoadReport, LoadRequest, load};
use ier::tiers::spans::Missing;
use std::sync::Arc;

use crate::fixture::Fixture;

const HELD: &str =
    "SELECT contact_id, affiliation, valid_from, valid_to FROM affiliation ORDER BY contact_id, affiliation, valid_from";

fn affiliations(rows: &[&str]) -> String {
    let lines: Vec<&str> = std::iter::once("ContactId,Affiliation").chain(rows.iter().copied()).collect();
    lines.join("\n") + "\n"
}

/// A warehouse whose clock can be moved, and what it loads.
struct Story {
    fixture: Fixture,
}

impl Story {
    async fn begin() -> Self {
        Self { fixture: Fixture::empty().await }
    }

    async fn says(&self, rows: &[&str]) -> LoadReport {
        let file = self.fixture.file("affiliation.csv", affiliations(rows));
        self.fixture.load([file]).await.unwrap()
    }

    async fn says_all(&self, rows: &[&str], confirmed: bool) -> ier::error::Result<LoadReport> {
        let file = self.fixture.file("affiliation.csv", affiliations(rows));
        let request = LoadRequest { missing: Missing::All { confirmed }, ..self.fixture.request([file], None) };
        load(&self.fixture.warehouse, request, Arc::new(ier::progress::Silent)).await
    }

    fn days_pass(&self, days: i64) {
        self.fixture.clock.tick(Duration::days(days));
    }
}

/// Of a load: rows inserted, updated, unchanged, ended.
fn counts(report: &LoadReport) -> (u64, u64, u64, u64) {
    let table = report.tables.iter().find(|table| table.table == "affiliation").unwrap();
    assert_eq!(table.read, table.accounted_for(), "nothing is dropped uncounted");
    (table.inserted, table.updated, table.unchanged, table.ended)
}

const ANA: &str = "003f40000000001AAA,Staff";
const ANA_FACULTY: &str = "003f40000000001AAA,Faculty";
const BEN: &str = "003f40000000003AAA,Faculty";

#[tokio::test]
async fn faculty_when_it_was_sent_and_faculty_now_are_one_join_each() {
    let story = Story::begin().await;
    assert_eq!(counts(&story.says(&[ANA, BEN]).await), (2, 0, 0, 0));
    story.days_pass(10);
    // Ana becomes faculty; the file says nothing of Ben.
    assert_eq!(counts(&story.says(&[ANA_FACULTY]).await), (1, 0, 0, 1));
    let rows = [
        "003f40000000001AAA | Faculty | 2026-11-25 12:00:00 | -",
        "003f40000000001AAA | Staff | - | 2026-11-25 12:00:00",
        "003f40000000003AAA | Faculty | - | -",
    ];
    assert_eq!(story.fixture.ask(HELD).await, rows);
    let at = |moment: &str| {
        format!("SELECT contact_id FROM affiliation a WHERE affiliation = 'Faculty' AND held_at(a, {moment}) ORDER BY 1")
    };
    assert_eq!(story.fixture.ask(&at("TIMESTAMP '2026-11-20 00:00:00'")).await, ["003f40000000003AAA"]);
    assert_eq!(story.fixture.ask(&at("TIMESTAMP '2026-11-26 00:00:00'")).await, ["003f40000000001AAA", "003f40000000003AAA"]);
    let now = "SELECT contact_id FROM affiliation a WHERE affiliation = 'Staff' AND holds_now(a)";
    assert!(story.fixture.ask(now).await.is_empty());
}

#[tokio::test]
async fn loading_the_same_file_again_changes_nothing() {
    let story = Story::begin().await;
    story.says(&[ANA, BEN]).await;
    for _ in 0..2 {
        story.days_pass(1);
        let report = story.says(&[ANA, BEN, BEN]).await;
        assert_eq!(counts(&report), (0, 0, 3, 0));
        assert!(!report.changed());
    }
    assert_eq!(story.fixture.ask("SELECT count(*) FROM affiliation").await, ["2"]);
}

#[tokio::test]
async fn what_comes_back_begins_a_new_span() {
    let story = Story::begin().await;
    story.says(&[ANA]).await;
    story.days_pass(1);
    story.says(&[ANA_FACULTY]).await;
    story.days_pass(1);
    story.says(&[ANA]).await;
    story.days_pass(1);
    assert_eq!(counts(&story.says(&[ANA]).await), (0, 0, 1, 0));
    let rows = [
        "003f40000000001AAA | Faculty | 2026-11-16 12:00:00 | 2026-11-17 12:00:00",
        "003f40000000001AAA | Staff | 2026-11-17 12:00:00 | -",
        "003f40000000001AAA | Staff | - | 2026-11-16 12:00:00",
    ];
    assert_eq!(story.fixture.ask(HELD).await, rows);
}

#[tokio::test]
async fn a_complete_load_ends_what_it_does_not_have_unless_that_is_most() {
    let story = Story::begin().await;
    let many: Vec<String> = (0..60).map(|n| format!("003f400000{n:05}AAA,Staff")).collect();
    let many: Vec<String> = many.iter().map(|row| format!("{},Staff", &row[..15])).collect();
    let rows: Vec<&str> = many.iter().map(String::as_str).collect();
    story.says(&rows).await;
    story.days_pass(1);
    assert_eq!(counts(&story.says_all(&rows[5..], false).await.unwrap()), (0, 0, 55, 5));
    let error = story.says_all(&rows[50..], false).await.unwrap_err().to_string();
    assert!(error.contains("45 of the 55 rows of affiliation would end") && error.contains("--confirm"), "{error}");
    assert_eq!(story.fixture.ask("SELECT count(*) FROM affiliation a WHERE holds_now(a)").await, ["55"], "nothing has changed");
    assert_eq!(counts(&story.says_all(&rows[50..], true).await.unwrap()), (0, 0, 10, 45));
}

#[tokio::test]
async fn a_person_is_named_by_any_of_their_ids() {
    let story = Story::begin().await;
    story.fixture.load([crate::fixture::data().join("contact.csv")]).await.unwrap();
    // The loser of a merge, and then its winner.
    story.says(&["003f40000000002AAA,Staff"]).await;
    story.days_pass(1);
    assert_eq!(counts(&story.says(&[ANA_FACULTY]).await), (1, 0, 0, 1));
}

#[tokio::test]
async fn the_files_own_dates_say_since_when_and_until_when() {
    let story = Story::begin().await;
    let says = async |rows: &str| {
        let file = story.fixture.file("employment.csv", format!("ContactId,Title,StartDate,EndDate\n{rows}"));
        story.fixture.load([file]).await.unwrap()
    };
    let spans = "SELECT title, valid_from, valid_to FROM employment ORDER BY title, valid_from";
    says("003f40000000001AAA,Clerk,2017-06-01,2019-08-01\n003f40000000001AAA,Analyst,2019-08-15,\n").await;
    // Midnight in Denver; the last day counts.
    let first = ["Analyst | 2019-08-15 06:00:00 | -", "Clerk | 2017-06-01 06:00:00 | 2019-08-02 06:00:00"];
    assert_eq!(story.fixture.ask(spans).await, first);
    story.days_pass(1);
    // Promoted under the same start; the clerk's row stands as before.
    says("003f40000000001AAA,Clerk,2017-06-01,2019-08-01\n003f40000000001AAA,Senior Analyst,2019-08-15,\n").await;
    let promoted = [
        "Analyst | 2019-08-15 06:00:00 | 2026-11-16 12:00:00",
        "Clerk | 2017-06-01 06:00:00 | 2019-08-02 06:00:00",
        "Senior Analyst | 2026-11-16 12:00:00 | -",
    ];
    assert_eq!(story.fixture.ask(spans).await, promoted);
    story.days_pass(1);
    // A new job since an earlier day, loaded late.
    says("003f40000000001AAA,Clerk,2017-06-01,2019-08-01\n003f40000000001AAA,Director,2026-11-01,\n").await;
    assert_eq!(
        story.fixture.ask(spans).await[2..],
        ["Director | 2026-11-01 06:00:00 | -", "Senior Analyst | 2026-11-16 12:00:00 | 2026-11-17 12:00:00"]
    );
}

#[tokio::test]
async fn a_row_with_an_id_changes_by_a_new_span() {
    let story = Story::begin().await;
    let says = async |title: &str| {
        let rows = format!("Id,ContactId,Title\na0Jf40000000001EAA,003f40000000001AAA,{title}\n");
        let file = story.fixture.file("job.csv", rows);
        let report = story.fixture.load([file]).await.unwrap();
        (report.tables[0].inserted, report.tables[0].updated, report.tables[0].unchanged, report.tables[0].ended)
    };
    assert_eq!(says("Clerk").await, (1, 0, 0, 0));
    story.days_pass(1);
    assert_eq!(says("Analyst").await, (0, 1, 0, 1));
    assert_eq!(says("Analyst").await, (0, 0, 1, 0));
    let rows = story.fixture.ask("SELECT id, title, valid_from IS NULL, valid_to IS NULL FROM job ORDER BY title").await;
    assert_eq!(rows, ["a0Jf40000000001EAA | Analyst | false | true", "a0Jf40000000001EAA | Clerk | true | false"]);
}

/// Rows of a table whose spans overlap with those of another row that is the same by `identity`.
async fn overlapping(story: &Story, table: &str, identity: &str) -> Vec<String> {
    let sql = format!(
        "SELECT a.{identity}, a.valid_from, a.valid_to, b.valid_from, b.valid_to FROM {table} a JOIN {table} b ON a.{identity} = b.{identity} \
         WHERE ((a.valid_from IS DISTINCT FROM b.valid_from) OR (a.valid_to IS DISTINCT FROM b.valid_to)) \
         AND coalesce(a.valid_from, TIMESTAMP '1900-01-01') < coalesce(b.valid_to, TIMESTAMP '2200-01-01') \
         AND coalesce(b.valid_from, TIMESTAMP '1900-01-01') < coalesce(a.valid_to, TIMESTAMP '2200-01-01') \
         AND coalesce(a.valid_from, TIMESTAMP '1900-01-01') < coalesce(a.valid_to, TIMESTAMP '2200-01-01') \
         AND coalesce(b.valid_from, TIMESTAMP '1900-01-01') < coalesce(b.valid_to, TIMESTAMP '2200-01-01')"
    );
    story.fixture.ask(&sql).await
}

#[tokio::test]
async fn spans_of_one_row_never_overlap_whatever_its_dates_do() {
    let story = Story::begin().await;
    let says = async |rows: &str| {
        let file = story.fixture.file("job.csv", format!("Id,ContactId,Title,StartDate,EndDate\n{rows}\n"));
        let report = story.fixture.load([file]).await.unwrap();
        story.days_pass(1);
        report
    };
    let one = "a0Jf40000000001EAA,003f40000000001AAA";
    let other = "a0Jf40000000002EAA,003f40000000001AAA";
    for rows in [
        format!("{one},Analyst,2020-01-01,\n{other},Clerk,2020-01-01,"),
        // Both change under one start; one is moved to a later start, and to an earlier one.
        format!("{one},Senior,2020-01-01,\n{other},Registrar,2020-01-01,"),
        format!("{one},Boss,2025-01-01,\n{other},Registrar,2019-01-01,"),
        // One goes away, and comes back as it was.
        format!("{other},Registrar,2019-01-01,"),
        format!("{one},Boss,2025-01-01,\n{other},Registrar,2019-01-01,2024-12-31"),
        // Renewed after its end.
        format!("{one},Boss,2025-01-01,\n{other},Registrar,2019-01-01,2027-12-31"),
        // To somebody else.
        format!("{one},Boss,2025-01-01,\na0Jf40000000002EAA,003f40000000003AAA,Registrar,2019-01-01,2027-12-31"),
    ] {
        says(&rows).await;
        let overlap = overlapping(&story, "job", "id").await;
        assert!(overlap.is_empty(), "{rows}: {overlap:?}");
    }
    let now = "SELECT id, title FROM job j WHERE holds_now(j) ORDER BY 1";
    assert_eq!(story.fixture.ask(now).await, ["a0Jf40000000001EAA | Boss", "a0Jf40000000002EAA | Registrar"]);
}

#[tokio::test]
async fn what_has_not_begun_does_not_hold_and_what_is_past_is_not_ended_again() {
    let story = Story::begin().await;
    let says = async |rows: &str| {
        let file = story.fixture.file("employment.csv", format!("ContactId,Title,StartDate,EndDate\n{rows}\n"));
        let report = story.fixture.load([file]).await.unwrap();
        story.days_pass(1);
        (report.tables[0].inserted, report.tables[0].ended)
    };
    let (dean, past) = ("003f40000000001AAA,Dean,2027-01-01,", "003f40000000001AAA,Clerk,2017-06-01,2018-08-01");
    assert_eq!(says(&format!("{dean}\n{past}")).await, (2, 0));
    assert!(story.fixture.ask("SELECT title FROM employment e WHERE holds_now(e)").await.is_empty());
    assert_eq!(says(dean).await, (0, 0));
    assert_eq!(says(dean).await, (0, 0));
}

#[tokio::test]
async fn rows_that_cannot_be_read_end_nothing() {
    let story = Story::begin().await;
    story.says(&[ANA, "003f40000000001AAA,Alumni", BEN]).await;
    story.days_pass(1);
    let broken = ["003f40000000001AAA,Alumni,one field too many", ANA];
    assert_eq!(counts(&story.says(&broken).await), (0, 0, 1, 0));
    let error = story.says_all(&broken, true).await.unwrap_err().to_string();
    assert!(error.contains("1 row of affiliation cannot be read, so the files are not complete"), "{error}");
    assert_eq!(story.fixture.ask("SELECT count(*) FROM affiliation a WHERE holds_now(a)").await, ["3"]);
}

#[tokio::test]
async fn a_merge_in_the_same_run_is_known_to_the_attributes() {
    let story = Story::begin().await;
    story.says(&["003f40000000002AAA,Staff"]).await;
    story.days_pass(1);
    let file = story.fixture.file("affiliation.csv", affiliations(&[ANA_FACULTY]));
    let report = story.fixture.load([file, crate::fixture::data().join("contact.csv")]).await.unwrap();
    assert_eq!(counts(&report), (1, 0, 0, 1));
    assert!(report.aliases_learned > 0);
}

/// A file of jobs in which every so many differ from the last: titles, starts, people, and who is in it at all.
fn jobs(load: usize) -> String {
    let rows = (0..9_000).filter(|row| !(row + load).is_multiple_of(13)).map(|row| {
        let id = format!("a0Jf4000000{row:04}");
        let person = 1 + (row + if row % 31 == load { 7 } else { 0 }) % 700;
        let year = 2018 + (row % 4) + usize::from(row % 17 == load);
        let end = if row % 5 == load { "2027-03-31" } else { "" };
        format!("{id},003f40000{person:06},Title {},{year}-09-01,{end}\n", (row + usize::from(row % 7 == load)) % 11)
    });
    format!("Id,ContactId,Title,StartDate,EndDate\n{}", rows.collect::<String>())
}

#[tokio::test]
async fn a_load_that_memory_has_no_room_for_begins_and_ends_what_one_in_memory_does() {
    let (wide, narrow) = (Story::begin().await, Story::begin().await);
    let all = "SELECT id, contact_id, title, valid_from, valid_to FROM job ORDER BY 1, 2, 3, 4, 5";
    for load_number in 0..4 {
        let mut spans = Vec::new();
        // A load of 3 MiB compares in some ten piles, and resolves in some ten parts.
        for (story, buffer_bytes) in [(&wide, 512 << 20), (&narrow, 3 << 20)] {
            let file = story.fixture.file("job.csv", jobs(load_number));
            let request = LoadRequest { buffer_bytes, ..story.fixture.request([file], None) };
            let report = load(&story.fixture.warehouse, request, Arc::new(ier::progress::Silent)).await.unwrap();
            let table = &report.tables[0];
            spans.push((table.inserted, table.updated, table.unchanged, table.ended));
            story.days_pass(40);
        }
        assert_eq!(spans[0], spans[1], "load {load_number}");
        assert!(load_number == 0 || spans[0].1 > 500 && spans[0].2 > 500 && spans[0].3 > 500, "{spans:?}");
        assert_eq!(wide.fixture.ask(all).await, narrow.fixture.ask(all).await, "load {load_number}");
    }
    assert!(overlapping(&narrow, "job", "id").await.is_empty());
}
