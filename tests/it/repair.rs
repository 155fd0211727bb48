//! Records that were stored a second time, behind the jobs' back: found, reported, and made one of, whichever tier their copies stand in.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use ier::jobs::reconcile::ReconcileReport;
use ier::lake::log::snapshot::DataFile;
use ier::lake::log::table::LakeTable;
use ier::lake::paths::{Partition, Role};
use ier::record::fields::known;

use crate::faults::every_call::{on_all_cores, on_one_thread};
use crate::faults::scenes;
use crate::faults::seen::Seen;
use crate::verify::{rows, swap, written};
use crate::world::records::{contact_id, ier};
use crate::world::store::Mode;
use crate::world::turns::Dice;
use crate::world::{World, day};

async fn lake(world: &World, table: &str, role: Role) -> Arc<LakeTable> {
    world.warehouse.table(role, known(table).expect("a table")).await.expect("a lake")
}

/// All rows of a lake, each by itself, with its file.
async fn all(lake: &LakeTable) -> Vec<(Arc<DataFile>, RecordBatch)> {
    let mut all = Vec::new();
    for file in lake.snapshot().await.expect("a snapshot").files() {
        let batch = rows(lake, file).await;
        all.extend((0..batch.num_rows()).map(|row| (file.clone(), batch.slice(row, 1))));
    }
    all
}

fn key(row: &RecordBatch) -> String {
    row.column_by_name("record_key").expect("keys").as_string::<i32>().value(0).to_owned()
}

/// Writes a row once more, as no job would: wherever, without asking anybody.
async fn stored_again(world: &World, lake: &LakeTable, partition: Partition, row: RecordBatch) {
    let add = written(lake, partition, row).await;
    swap(world, lake, vec![], vec![add]).await;
}

fn month(text: &str) -> Partition {
    Role::Archive.partition_of(Some(day(text).to_epoch_days()))
}

/// Repairs, and looks again as another process: every key once, everything sound.
async fn repaired(world: &World) -> ReconcileReport {
    let report = world.another().try_reconcile(true).await.expect("the repair");
    let after = world.another();
    let again = after.try_reconcile(false).await.expect("the books");
    assert!(again.doubled.is_empty(), "{again}");
    let sound = after.try_verify(None, false).await.expect("the verification");
    assert!(sound.damages.iter().all(|damage| !damage.what.contains("key ")), "{sound}");
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_of_all_copies_stays_and_the_books_balance_again() {
    let world = scenes::before_archive().await;
    world.archive("2026-09-10").await;
    let archive = lake(&world, "individual_email_result", Role::Archive).await;
    let before = Seen::by(&world.another()).await;
    let (_, row) = all(&archive).await.into_iter().find(|(_, row)| key(row) == "m-2").expect("an archived row");
    // A later version of the same record, written straight to the archive, beside the old one.
    let later = world.fork(None);
    later.load(&[ier(2).contact(2).sent("2026-06-10 08:00").stamp("2026-11-01 00:00").opened("2026-10-31 08:00")]).await;
    later.archive("2026-09-10").await;
    let expected = Seen::by(&later.another()).await;
    let archived = lake(&later, "individual_email_result", Role::Archive).await;
    let (_, newest) = all(&archived).await.into_iter().find(|(_, row)| key(row) == "m-2").expect("its later version");
    stored_again(&world, &archive, month("2026-06-01"), newest).await;
    stored_again(&world, &archive, month("2026-06-01"), row).await;

    let found = world.another().try_reconcile(false).await.expect("the books");
    let (doubled, june) = (&found.doubled[0], found.unbalanced().map(|(_, month)| month.difference).collect::<Vec<_>>());
    assert_eq!((found.doubled.len(), doubled.records, doubled.copies, doubled.mended, june), (1, 1, 3, 0, vec![2]));
    assert_eq!((doubled.examples[0].key.as_str(), doubled.examples[0].places.len()), ("m-2", 3));
    let reported = found.check().expect_err("a complaint").to_string();
    assert!(
        reported.contains("1 record stored more than once, as 3 rows") && reported.contains("--repair --confirm"),
        "{reported}"
    );

    let report = repaired(&world).await;
    assert_eq!(report.doubled[0].mended, 1);
    report.check().unwrap_or_else(|error| panic!("the books balance again: {error}\n{report}"));
    assert!(report.to_string().contains("1 record stored more than once, as 3 rows, made one row each"), "{report}");
    let after = Seen::by(&world.another()).await;
    assert_ne!(after.iers, before.iers);
    assert_eq!(after.iers, expected.iers);
    world.rows_stand_where_they_belong().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_anywhere_of_any_record_become_the_record_again() {
    let seeds = if crate::faults::long() { 200 } else { 12 };
    let start = scenes::before_archive().await;
    start.archive("2026-09-10").await;
    scenes::load_more(&start)(&start).await.expect("late rows");
    let expected = Seen::by(&start.another()).await;
    for seed in 1..=seeds {
        let (world, mut dice) = (start.fork(None), Dice::new(seed));
        let mut copies = 0;
        for table in ["individual_email_result", "individual_link"] {
            let lakes = [lake(&world, table, Role::Hot).await, lake(&world, table, Role::Archive).await];
            let stored = all(&lakes[0]).await.into_iter().chain(all(&lakes[1]).await);
            for (_, row) in stored.collect::<Vec<_>>() {
                // An archived row under a late one has no values that the late one lacks: as another copy it must not win either.
                for lake in lakes.iter().filter(|_| dice.below(8) == 0).collect::<Vec<_>>() {
                    let stands = lake.role.partition_of(ier::record::key::sent_days(&row).map(|days| days.value(0)));
                    let other = [month("2026-06-01"), month("2026-07-01"), stands][dice.below(3)];
                    stored_again(&world, lake, if lake.role == Role::Hot { stands } else { other }, row.clone()).await;
                    copies += 1;
                }
            }
        }
        let found = world.another().try_reconcile(false).await.expect("the books");
        let report = repaired(&world).await;
        let mended: u64 = report.doubled.iter().map(|doubled| doubled.mended).sum();
        let reported: u64 = found.doubled.iter().map(|doubled| doubled.records).sum();
        assert_eq!(mended, reported, "seed {seed}");
        let after = Seen::by(&world.another()).await;
        assert!(after.same_rows(&expected), "seed {seed}, {copies} copies: {}", after.difference(&expected));
        world.rows_stand_where_they_belong().await;
        world.archive("2026-10-01").await;
        let archived = Seen::by(&world.another()).await;
        assert!(archived.same_rows(&expected), "seed {seed}, archived: {}", archived.difference(&expected));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_of_a_link_and_people_that_are_stored_twice_are_found_and_mended() {
    let world = World::on("2026-11-01");
    let totals = "Id,et4ae5__Unique_Link_ID__c,Name,et4ae5__NumberOfTotalClicks__c,SystemModstamp\n";
    let row = |id: &str, own: &str, clicks: u32| format!("{},{own},Give,{clicks},2026-08-0{clicks}T10:00:00Z\n", id);
    let one = world.text("aggregate_link.csv", &(totals.to_owned() + &row("a09f40000000001AAA", "u-1", 3)));
    let two = world.text("aggregate_link-2.csv", &(totals.to_owned() + &row("a09f40000000002AAA", "u-2", 4)));
    let people =
        world.text("contact.csv", &format!("Id,LastName,SystemModstamp\n{},Ortiz,2026-08-06T10:00:00Z\n", contact_id(1)));
    world.load_files(&[one, two, people]).await.expect("a load");
    let sql = "SELECT unique_link_id, number_of_total_clicks FROM aggregate_link ORDER BY 1";
    let before = world.ask(sql).await;

    // The same key twice, as when an old file is put back; and one record under its id as well, as older builds stored it.
    let links = lake(&world, "aggregate_link", Role::Reference).await;
    let all_links = all(&links).await;
    let named = |name: &str| all_links.iter().find(|(_, row)| key(row) == name).expect("a row").1.clone();
    stored_again(&world, &links, Partition(None), named("u-1")).await;
    let mut columns = named("u-2").columns().to_vec();
    let schema = named("u-2").schema();
    let under_id: arrow::array::StringArray = [Some("\u{2}a09f40000000002AAA")].into_iter().collect();
    columns[schema.index_of("record_key").expect("keys")] = Arc::new(under_id);
    let none: arrow::array::ArrayRef =
        arrow::array::new_null_array(schema.field_with_name("unique_link_id").expect("ids").data_type(), 1);
    columns[schema.index_of("unique_link_id").expect("ids")] = none;
    stored_again(&world, &links, Partition(None), RecordBatch::try_new(schema, columns).expect("a row")).await;
    let contacts = lake(&world, "contact", Role::Reference).await;
    let person = all(&contacts).await.remove(0).1;
    stored_again(&world, &contacts, Partition(None), person).await;
    assert_eq!(world.another().line("SELECT count(*) FROM aggregate_link").await, "4");

    let found = world.another().try_reconcile(false).await.expect("the books");
    let reported: Vec<(&str, u64, u64)> =
        found.doubled.iter().map(|doubled| (doubled.object.as_str(), doubled.records, doubled.copies)).collect();
    assert_eq!(reported, [("aggregate_link", 2, 4), ("contact", 1, 2)], "{found}");
    assert!(found.check().is_err());
    let report = repaired(&world).await;
    assert_eq!(report.doubled.iter().map(|doubled| doubled.mended).collect::<Vec<_>>(), [2, 1], "{report}");
    let after = world.another();
    assert_eq!(after.ask(sql).await, before);
    assert_eq!(after.line("SELECT count(*) FROM contact").await, "1");
}

#[test]
fn a_repair_that_fails_anywhere_is_finished_by_the_next() {
    let start = on_one_thread(async {
        let world = scenes::before_archive().await;
        let archive = lake(&world, "individual_email_result", Role::Archive).await;
        let hot = lake(&world, "individual_email_result", Role::Hot).await;
        for (_, row) in all(&archive).await.into_iter().chain(all(&hot).await).step_by(3).collect::<Vec<_>>() {
            stored_again(&world, &archive, month("2026-07-01"), row).await;
        }
        world
    });
    let whole = start.fork(None);
    on_one_thread(whole.try_reconcile(true)).expect("the repair");
    let expected = on_one_thread(Seen::by(&whole.another()));
    let writes: Vec<u64> = (1..).zip(whole.store.calls()).filter(|(_, call)| call.writes()).map(|(number, _)| number).collect();
    assert!(writes.len() > 10, "{writes:?}");
    let modes = [Mode::ErrorForEver, Mode::DoneButFailed, Mode::TornWrite];
    let tries: Vec<_> = writes.into_iter().flat_map(|call| modes.map(|mode| (call, mode))).collect();
    println!("faults of a repair: {} points", tries.len());
    on_all_cores(tries, |(call, mode)| {
        on_one_thread(async {
            let world = start.fork(None);
            // What becomes of the run that fails is not asked: a failure may come after its last commit.
            drop(world.process(Some((call, mode)), None).try_reconcile(true).await);
            repaired(&world).await;
            let after = Seen::by(&world.another()).await;
            assert!(after.same_rows(&expected), "call {call}, {mode:?}: {}", after.difference(&expected));
            world.rows_stand_where_they_belong().await;
        });
    });
}
