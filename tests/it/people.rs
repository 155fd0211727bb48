//! The short way to a few people's rows finds what a scan finds, and reads hardly anything.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::physical_plan::{ExecutionPlan, collect};
use ier::record::id::SfId;
use ier::synthetic;
use ier::synthetic::recipe::{Format, Recipe};

use crate::fixture::Fixture;

/// A day of so many e-mails to each of these many people.
fn day(people: u32, mails: u32) -> String {
    let mut csv = String::from("Id,et4ae5__MergeId__c,et4ae5__Contact__c,et4ae5__DateSent__c,SystemModstamp\n");
    for person in 0..people {
        for mail in 0..mails {
            let number = person * mails + mail;
            let (id, contact) = (id("a0D", number), id("003", person));
            let (minute, second) = (number / 60 % 60, number % 60);
            writeln!(csv, "{id},{number},{contact},2026-03-05T12:{minute:02}:{second:02}.000Z,2026-03-06T00:00:00.000Z").unwrap();
        }
    }
    csv
}

fn id(prefix: &str, number: u32) -> String {
    SfId::parse(&format!("{prefix}000000{number:06}")).unwrap().to_string()
}

async fn one_day(people: u32, mails: u32) -> Fixture {
    let fixture = Fixture::empty().await;
    fixture.load([fixture.file("individual_email_result.csv", day(people, mails))]).await.unwrap();
    fixture.archive().await;
    fixture
}

/// A counter of the plan, summed over its parts.
fn counted(plan: &Arc<dyn ExecutionPlan>, name: &str) -> usize {
    let own = plan.metrics().and_then(|metrics| metrics.sum_by_name(name)).map_or(0, |value| value.as_usize());
    plan.children().into_iter().map(|child| counted(child, name)).sum::<usize>() + own
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_reads_one_page_of_a_file() {
    let fixture = one_day(20_000, 1).await;
    for person in ["003000000012345AAA", "003000000000000AAA", "003000000019999AAA"] {
        let frame = fixture.engine.context().sql(&format!("SELECT * FROM ier WHERE person_id = '{person}'")).await.unwrap();
        let plan = frame.create_physical_plan().await.unwrap();
        let batches = collect(plan.clone(), fixture.engine.context().task_ctx()).await.unwrap();
        assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1, "{person}");
        assert_eq!(counted(&plan, "files_read"), 1);
        let searched = counted(&plan, "rows_searched");
        assert!((1..=2_048).contains(&searched), "{person}: {searched} rows of the page were searched");
        assert!(counted(&plan, "bytes_scanned") < 100_000, "{} bytes", counted(&plan, "bytes_scanned"));
    }
    // Between two people, and beyond the last: the index knows of nobody, or of one page to look at.
    for nobody in ["003000000012345AAB", "003zzzzzzzzzzzzAAA", "001000000000000AAA"] {
        assert_eq!(fixture.ask(&format!("SELECT count(*) FROM ier WHERE person_id = '{nobody}'")).await, ["0"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_cross_the_ends_of_pages() {
    // 2,048 rows a page: with 300 mails each, every seventh person lies on both sides of an end; the last has eight pages.
    let fixture = one_day(50, 300).await;
    for person in 0..50 {
        let sql = format!("SELECT count(*), count(DISTINCT ier_id) FROM ier WHERE contact_id = '{}'", id("003", person));
        assert_eq!(fixture.ask(&sql).await, ["300 | 300"], "person {person}");
    }
    let busy = one_day(1, 15_000).await;
    let sql = format!("SELECT count(*), count(DISTINCT ier_id) FROM ier WHERE person_id = '{}'", id("003", 0));
    assert_eq!(busy.ask(&sql).await, ["15000 | 15000"]);
}

/// Everybody, by look-up and by scan (a comparison the look-up does not know), over both tiers, late rows and links.
#[tokio::test(flavor = "multi_thread")]
async fn looking_up_finds_what_scanning_finds() {
    let fixture = Fixture::empty().await;
    let folder = fixture.folder.path().join("exports");
    let end = NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
    let recipe = Recipe { months: 5, contacts: 150, sends_per_month: 6, end, format: Format::Csv, ..Recipe::default() };
    let made = synthetic::generate(&recipe, &folder, &|_, _| {}).unwrap();
    // The months' second half comes after the archive has been made: late rows.
    let (early, late): (Vec<_>, Vec<_>) = made.files.iter().partition(|file| !file.path.to_string_lossy().contains("-07"));
    fixture.load(early.iter().map(|file| &file.path)).await.unwrap();
    fixture.archive().await;
    fixture.load(late.iter().map(|file| &file.path)).await.unwrap();
    assert!(
        !fixture.ask("SELECT 1 FROM ier WHERE tier = 'hot' AND sent_date < DATE '2026-08-01' LIMIT 1").await.is_empty(),
        "late rows"
    );
    for table in ["ier", "individual_link"] {
        let all = format!("SELECT DISTINCT person_id FROM {table} WHERE person_id IS NOT NULL ORDER BY 1");
        let people: Vec<String> = fixture.ask(&all).await;
        assert!(people.len() > 10, "{}", people.len());
        let scan = |filter: &str| format!("SELECT * FROM {table} WHERE {filter} ORDER BY system_modstamp, 1, 2");
        let together: BTreeSet<&str> = people.iter().step_by(3).map(String::as_str).collect();
        let list = together.iter().map(|person| format!("'{person}'")).collect::<Vec<_>>().join(", ");
        let mut pairs = vec![(format!("person_id IN ({list})"), format!("concat(person_id, '') IN ({list})"))];
        for person in people.iter().step_by(9) {
            pairs.push((format!("person_id = '{person}'"), format!("concat(person_id, '') = '{person}'")));
        }
        for (look_up, scanned) in pairs {
            let found = fixture.ask(&scan(&look_up)).await;
            assert!(!found.is_empty());
            assert_eq!(found, fixture.ask(&scan(&scanned)).await, "{table}: {look_up}");
        }
    }
    // With other conditions beside it, without any column, and with nothing but the tier.
    let person = &fixture
        .ask("SELECT contact_id FROM ier WHERE contact_id IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
        .await[0];
    for (look_up, scanned) in [
        ("SELECT count(*) FROM ier WHERE contact_id = $", "SELECT count(*) FROM ier WHERE concat(contact_id, '') = $"),
        (
            "SELECT tier FROM ier WHERE contact_id = $ AND opened ORDER BY 1",
            "SELECT tier FROM ier WHERE concat(contact_id, '') = $ AND opened ORDER BY 1",
        ),
        (
            "SELECT ier_id FROM ier WHERE person_id = $ AND tier = 'archive' AND NOT opened ORDER BY 1",
            "SELECT ier_id FROM ier WHERE concat(person_id, '') = $ AND tier = 'archive' AND NOT opened ORDER BY 1",
        ),
        ("SELECT count(*) FROM ier WHERE person_id = $ AND person_id IS NULL", "SELECT 0"),
    ] {
        let with = |sql: &str| sql.replace('$', &format!("'{person}'"));
        assert_eq!(fixture.ask(&with(look_up)).await, fixture.ask(&with(scanned)).await, "{look_up}");
    }
}
