//! Which months are compacted, in what order, and within what limits; answers never change.

use std::sync::Arc;

use chrono::Duration;
use futures::TryStreamExt;
use ier::jobs;
use ier::jobs::compact::{CompactOptions, CompactReport, RewriteReason};
use ier::lake::file::tags;
use ier::lake::log::commit::{Change, commit};
use ier::lake::log::table::LakeTable;
use ier::lake::paths::Role;
use ier::lake::read;
use ier::record::fields::known;
use object_store::ObjectStoreExt;

use crate::world::records::ier;
use crate::world::{COMPACT, Rows, World, silent};

const ALL: &str = "SELECT merge_id, person_id, date_sent, opened FROM ier ORDER BY merge_id";

/// What would be compacted: month, why, files.
async fn needs(world: &World) -> Vec<(String, RewriteReason, u64)> {
    let plan = jobs::compact::plan(&world.warehouse, &COMPACT).await.expect("a plan");
    plan.months.iter().map(|month| (month.month.map_or("-".to_owned(), |day| day.to_string()), month.need, month.files)).collect()
}

async fn compact(world: &World, options: CompactOptions) -> CompactReport {
    let plan = jobs::compact::plan(&world.warehouse, &options).await.expect("a plan");
    jobs::compact::execute(&world.warehouse, plan, &options, silent()).await.expect("the compaction")
}

async fn archive_table(world: &World) -> Arc<LakeTable> {
    world.warehouse.table(Role::Archive, known("ier").expect("the table")).await.expect("the lake")
}

/// One archive file a day: as a daily archive run leaves them.
async fn daily(month: &str, days: std::ops::RangeInclusive<u32>) -> World {
    let world = World::on("2026-11-01");
    let rows: Vec<_> = days
        .clone()
        .flat_map(|day| (0..20).map(move |n| (day, n)))
        .map(|(day, n)| ier(day * 100 + n).contact(n).sent(&format!("{month}-{day:02} 08:00")).unopened())
        .collect();
    world.load(&rows).await;
    for day in days {
        world.archive(&format!("{month}-{:02}", day + 1)).await;
    }
    world
}

async fn rows(world: &World) -> Rows {
    world.ask(ALL).await
}

#[tokio::test]
async fn a_month_is_left_open_until_its_files_are_many() {
    let world = daily("2026-07", 1..=7).await;
    assert_eq!(needs(&world).await, [], "seven files, and more to come");
    let world = daily("2026-07", 1..=9).await;
    assert_eq!(needs(&world).await, [("2026-07-01".to_owned(), RewriteReason::Overlapping, 9)]);
    let world = daily("2026-07", 1..=3).await;
    world.archive("2026-08-01").await;
    assert_eq!(needs(&world).await, [("2026-07-01".to_owned(), RewriteReason::Overlapping, 3)], "nothing more comes");
}

#[tokio::test]
async fn a_second_run_finds_nothing() {
    let world = daily("2026-07", 1..=9).await;
    let before = rows(&world).await;
    let report = compact(&world, COMPACT).await;
    assert_eq!((report.months, report.files_before, report.files_after, report.rows), (1, 9, 1, 180));
    assert_eq!(rows(&world).await, before);
    let again = compact(&world, COMPACT).await;
    assert_eq!((again.months, again.rows), (0, 0));
    assert!(again.to_string().starts_with("nothing to compact"), "{again}");
    world.files_are_sound().await;
}

#[tokio::test]
async fn the_time_allowed_is_kept_between_months() {
    let world = daily("2026-07", 1..=9).await;
    let before = rows(&world).await;
    let report = compact(&world, CompactOptions { budget: Some(Duration::zero()), ..COMPACT }).await;
    assert_eq!((report.months, report.months_out_of_time), (0, 1));
    assert!(report.to_string().contains("the time was up: 1 month wait"), "{report}");
    assert_eq!(needs(&world).await.len(), 1, "it waits for the next run");
    assert_eq!(compact(&world, CompactOptions { budget: Some(Duration::hours(1)), ..COMPACT }).await.months, 1);
    assert_eq!(rows(&world).await, before);
}

#[tokio::test]
async fn too_little_memory_takes_more_steps_and_ends_the_same() {
    let world = daily("2026-07", 1..=9).await;
    world.archive("2026-08-01").await;
    let (before, files) = (rows(&world).await, archive_table(&world).await);
    let first = files.snapshot().await.expect("a snapshot").version;
    // Room for three files beside the writer.
    let report = compact(&world, CompactOptions { memory_bytes: 178 << 20, ..COMPACT }).await;
    let commits = files.snapshot().await.expect("a snapshot").version.zip(first).map(|(last, first)| last - first);
    assert_eq!((report.files_before, report.files_after), (9, 1));
    assert!(commits.is_some_and(|commits| commits > 2), "{commits:?} commits");
    assert_eq!(rows(&world).await, before);
    world.files_are_sound().await;
}

#[tokio::test]
async fn a_month_left_alone_for_a_year_is_written_once_more() {
    let world = daily("2026-07", 1..=9).await;
    world.archive("2026-08-01").await;
    compact(&world, COMPACT).await;
    let before = rows(&world).await;
    world.days_pass(364);
    assert_eq!(needs(&world).await, []);
    world.days_pass(1);
    assert_eq!(needs(&world).await, [("2026-07-01".to_owned(), RewriteReason::Old, 1)]);
    assert_eq!(compact(&world, CompactOptions { best_after: None, ..COMPACT }).await.months, 0, "it can be switched off");
    let report = compact(&world, COMPACT).await;
    assert_eq!((report.months, report.files_after), (1, 1));
    assert!(report.bytes_after <= report.bytes_before, "{report:?}");
    assert_eq!(rows(&world).await, before);
    world.days_pass(4000);
    assert_eq!(needs(&world).await, [], "once is enough");
    let snapshot = archive_table(&world).await.snapshot().await.expect("a snapshot");
    assert!(snapshot.files().all(|file| file.tag(tags::EFFORT) == Some("best")));
}

#[tokio::test]
async fn late_rows_are_folded_in_first() {
    let world = daily("2026-07", 1..=9).await;
    let late = ier(100).contact(0).sent("2026-07-01 08:00").opened("2026-07-09 10:00").stamp("2026-10-30 00:00");
    world.load(&[late]).await;
    let (before, late_rows) = (rows(&world).await, "SELECT count(*) FROM ier WHERE tier = 'hot'");
    assert_eq!(world.line(late_rows).await, "1");
    let plan = jobs::compact::plan(&world.warehouse, &COMPACT).await.expect("a plan");
    assert!(plan.to_string().contains("first fold in up to 1 late row"), "{plan}");
    let report = compact(&world, COMPACT).await;
    assert_eq!((report.late_rows, report.months, report.files_after), (1, 1, 1));
    assert_eq!((rows(&world).await, world.line(late_rows).await.as_str()), (before, "0"));
}

/// Another engine's file: its rows in any order, none of our tags.
#[tokio::test]
async fn a_file_not_written_here_is_sorted() {
    let world = daily("2026-07", 1..=1).await;
    world.archive("2026-08-01").await;
    let (lake, before) = (archive_table(&world).await, rows(&world).await);
    let base = lake.snapshot().await.expect("a snapshot");
    let file = base.files().next().expect("a file").clone();
    let stream = read::open(&lake, &file).await.expect("the file").stream(None, None).expect("its rows");
    let batches: Vec<_> = stream.try_collect().await.expect("its rows");
    let all = arrow::compute::concat_batches(&batches[0].schema(), &batches).expect("one batch");
    let backwards: arrow::array::UInt32Array = (0..all.num_rows() as u32).rev().collect();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, all.schema(), None).expect("a writer");
    writer.write(&arrow::compute::take_record_batch(&all, &backwards).expect("turned round")).expect("written");
    writer.close().expect("written");
    let mut add = file.add.clone();
    add.path = add.path.replace("part-", "other-");
    add.size = bytes.len() as i64;
    add.tags = None;
    let path = format!("{}/{}", lake.folder, add.path);
    lake.store.put(&path.into(), bytes.into()).await.expect("stored");
    let change = Change { adds: vec![add], removes: vec![file], operation: "by another engine", ..Change::default() };
    commit(&lake, &base, change, world.warehouse.clock().as_ref()).await.expect("committed");

    assert_eq!(needs(&world).await, [("2026-07-01".to_owned(), RewriteReason::Foreign, 1)]);
    assert_eq!(compact(&world, COMPACT).await.months, 1);
    assert_eq!(rows(&world).await, before);
    world.files_are_sound().await;
    assert_eq!(needs(&world).await, []);
}
