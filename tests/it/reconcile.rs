//! The books balance after anything that is done rightly, and do not when a row is lost or doubled.

use std::sync::Arc;

use ier::jobs::reconcile::{ReconcileReport, reconcile};
use ier::lake::log::commit::{Change, commit};
use ier::lake::log::table::LakeTable;
use ier::lake::log::tally;
use ier::lake::paths::Role;
use ier::record::fields::known;
use object_store::ObjectStoreExt;

use crate::fixture::Fixture;
use crate::world::records::{ier, link};
use crate::world::{World, silent};

async fn books(world: &World) -> ReconcileReport {
    world.try_reconcile(false).await.expect("the books")
}

async fn hot_iers(world: &World) -> Arc<LakeTable> {
    world.warehouse.table(Role::Hot, known("ier").expect("the table")).await.expect("the lake")
}

/// Month, taken in, hot, archive, difference: of the table's months.
fn months(report: &ReconcileReport, object: &str) -> Vec<(String, i64, i64, i64, i64)> {
    let object = report.objects.iter().find(|report| report.object == object).expect("the table");
    object.months.iter().map(|month| (month.month.clone(), month.taken_in, month.hot, month.archive, month.difference)).collect()
}

#[tokio::test]
async fn the_files_of_data_balance_before_and_after_every_job() {
    let fixture = Fixture::filled().await;
    for stage in ["hot", "archived", "compacted"] {
        match stage {
            "archived" => {
                fixture.archive().await;
            }
            "compacted" => {
                fixture.compact().await;
            }
            _ => {}
        }
        let report = reconcile(&fixture.warehouse, &fixture.engine, false, &silent()).await.expect("the books");
        report.check().expect("they balance");
        let iers = &report.objects[0];
        // 24 rows in two files, two rejected, 15 records; the other seven are versions of them.
        assert_eq!((iers.files, iers.rows_read, iers.rows_rejected, iers.total.taken_in), (2, 24, 2, 15), "{stage}");
        assert_eq!(iers.total.hot + iers.total.archive, 15, "{stage}");
        assert_eq!(report.objects[1].total.taken_in, 7, "links, {stage}");
        let text = report.to_string();
        assert!(text.contains("24 rows read from 2 files: 2 rejected, 15 records, 7 further versions"), "{text}");
        assert!(text.ends_with("the books balance: every row taken in is here, erased or expired"), "{text}");
    }
}

#[tokio::test]
async fn a_row_that_moves_is_counted_where_it_is() {
    let world = World::on("2026-11-01");
    let row = |number: u32, sent: &str| ier(number).contact(number).sent(sent).stamp("2026-09-21 00:00").unopened();
    world.load(&[row(1, "2026-06-10 08:00"), row(2, "2026-06-11 08:00"), row(3, "2026-09-05 08:00")]).await;
    world.load(&[link(1, 1), link(2, 3), link(3, 77)]).await;
    world.archive("2026-08-01").await;
    let expected = [("2026-06".to_owned(), 2, 0, 2, 0), ("2026-09".to_owned(), 1, 1, 0, 0)];
    assert_eq!(months(&books(&world).await, "individual_email_result"), expected);
    let orphan = ("none".to_owned(), 1, 1, 0, 0);
    assert_eq!(months(&books(&world).await, "individual_link")[2], orphan, "a link without its IER");
    // An archived row's date is corrected: June loses it, October has it. The link goes with it.
    world.load(&[row(1, "2026-10-01 08:00").stamp("2026-10-20 00:00")]).await;
    // The same again changes nothing.
    world.load(&[row(1, "2026-10-01 08:00").stamp("2026-10-20 00:00")]).await;
    let expected = [("2026-06".to_owned(), 1, 0, 1, 0), ("2026-09".to_owned(), 1, 1, 0, 0), ("2026-10".to_owned(), 1, 1, 0, 0)];
    assert_eq!(months(&books(&world).await, "individual_email_result"), expected);
    for until in ["2026-08-01", "2026-10-15"] {
        world.archive(until).await;
        let report = books(&world).await;
        report.check().expect("they balance");
        assert_eq!(report.objects.iter().map(|object| object.total.taken_in).collect::<Vec<_>>(), [3, 3]);
    }
}

#[tokio::test]
async fn a_lost_file_and_a_doubled_one_are_reported_by_month() {
    let world = World::on("2026-11-01");
    let rows = [(1, "2026-09-05 08:00"), (2, "2026-09-05 08:00"), (3, "2026-10-05 08:00")];
    world.load(&rows.map(|(number, sent)| ier(number).contact(number).sent(sent).unopened())).await;
    let hot = hot_iers(&world).await;
    let base = hot.snapshot().await.expect("a snapshot");
    let september = base.files().find(|file| file.rows == 2).expect("September's file").clone();

    let lost = world.fork(None);
    let change = Change { removes: vec![september.clone()], operation: "a mistake", ..Change::default() };
    commit(hot_iers(&lost).await.as_ref(), &base, change, lost.warehouse.clock().as_ref()).await.expect("committed");
    let report = books(&lost).await;
    assert_eq!(months(&report, "individual_email_result")[0], ("2026-09".to_owned(), 2, 0, 0, -2));
    let error = report.check().expect_err("they do not balance").to_string();
    assert!(error.contains("individual_email_result 2026-09"), "{error}");
    assert!(report.to_string().contains("do not balance in 1 month"), "{report}");

    let mut again = september.add.clone();
    again.path = again.path.replace("part-", "again-");
    let copy = format!("{}/{}", hot.folder, again.path);
    world.store.copy(&september.path(&hot.folder), &copy.into()).await.expect("a copy");
    let change = Change { adds: vec![again], operation: "another mistake", ..Change::default() };
    commit(&hot, &base, change, world.warehouse.clock().as_ref()).await.expect("committed");
    assert_eq!(months(&books(&world).await, "individual_email_result")[0], ("2026-09".to_owned(), 2, 4, 0, 2));
}

#[tokio::test]
async fn vacuum_keeps_the_current_tally() {
    let world = World::on("2026-11-01");
    for number in 1..=3 {
        world.load(&[ier(number).contact(1).sent("2026-09-05 08:00").unopened()]).await;
        world.days_pass(1);
    }
    let tallies =
        async |world: &World| world.store.objects().await.into_iter().filter(|(path, _)| path.contains("/_tally/")).count();
    assert_eq!(tallies(&world).await, 3);
    world.days_pass(30);
    world.vacuum(24).await;
    assert_eq!(tallies(&world).await, 1);
    books(&world).await.check().expect("they balance");
    let hot = hot_iers(&world).await;
    let tally = tally::read(&hot, hot.snapshot().await.expect("a snapshot").as_ref()).await.expect("the tally");
    assert_eq!(tally.months().map(|(month, counts)| (month, counts.taken_in)).collect::<Vec<_>>(), [("2026-09", 3)]);
}

#[tokio::test]
async fn sends_say_why_they_differ_from_their_records() {
    let fixture = Fixture::filled().await;
    let answer = fixture.ask("SELECT job_id, number_sent, iers, explanation FROM send_reconciliation ORDER BY job_id").await;
    assert_eq!(
        answer,
        [
            "8001 | 3 | 3 | agree",
            "9001 | 6 | 6 | agree",
            "9002 | 5 | 4 | records are missing: not all were loaded, some were erased, or the sync left some out",
            "9003 | 1200 | 0 | tracking was switched off: no record of anybody was made",
        ],
    );
}
