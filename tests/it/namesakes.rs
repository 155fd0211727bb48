//! One record under one id or one key: versions that come under other keys than their record, and every spelling of a key.

use arrow::array::{AsArray, RecordBatch, StringArray};
use ier::lake::paths::Role;
use ier::record::fields::{hidden, known};
use ier::record::resolve::BEHIND_NAMES;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use std::sync::Arc;

use crate::faults::every_call::{on_all_cores, on_one_thread};
use crate::faults::scenes::{Job, archive_job, load_of};
use crate::verify::{rows, swap, written};
use crate::world::records::{Record, contact_id, ier, ier_id, link};
use crate::world::store::Mode;
use crate::world::{World, day};

const STATE: &str = "SELECT ier_id, merge_id, opened FROM ier ORDER BY 1";

/// A mail of July that nobody has opened.
fn mail(number: u32) -> Record {
    ier(number).contact(number).sent("2026-07-06 15:00").stamp("2026-07-06 15:15").unopened()
}

/// Its next version.
fn opened(number: u32) -> Record {
    mail(number).stamp("2026-07-07 08:00").opened("2026-07-07 07:58")
}

fn placed(record: Record, subscriber: &str) -> Record {
    record.set("JobId", "9013").set("ListId", "501").set("BatchId", "1").set("SubscriberId", subscriber)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_with_only_its_id_finds_its_record() {
    let world = World::on("2026-11-01");
    world.load(&[mail(1), mail(2)]).await;
    let counts = world.load(&[opened(1).without("MergeId")]).await;
    assert_eq!((counts.inserted, counts.updated), (0, 1));
    assert_eq!(world.ask(STATE).await, [[ier_id(1), "M-1".into(), "true".into()], [ier_id(2), "M-2".into(), "false".into()]]);

    // In the archive, too, and where the contact was deleted and the date is not provided.
    world.archive("2026-08-01").await;
    let bare = opened(2).without("MergeId").without("Contact").without("DateSent").without("CreatedDate");
    let counts = world.load(std::slice::from_ref(&bare)).await;
    assert_eq!((counts.inserted, counts.updated, counts.late), (0, 1, 1));
    assert_eq!(world.ask(STATE).await, [[ier_id(1), "M-1".into(), "true".into()], [ier_id(2), "M-2".into(), "true".into()]]);
    let counts = world.load(&[bare]).await;
    assert_eq!((counts.inserted, counts.updated), (0, 0), "the same again changes nothing");
    world.archive("2026-08-01").await;
    assert_eq!(world.line("SELECT count(*), count(DISTINCT person_id), min(tier) FROM ier").await, "2 2 archive");
    world.the_books_balance().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_id_learned_later_joins_what_was_stored_without() {
    for archived in [false, true] {
        let world = World::on("2026-11-01");
        world.load(&[mail(1).without("MergeId"), placed(mail(2).without("MergeId"), "410")]).await;
        if archived {
            world.archive("2026-08-01").await;
        }
        let counts = world.load(&[opened(1), placed(opened(2), "410").set("Id", ier_id(902))]).await;
        assert_eq!((counts.inserted, counts.updated), (0, 2), "archived: {archived}");
        // Deleted in Salesforce, then opened late: a new id, and the MergeId is all that both have.
        let again = opened(1).set("Id", ier_id(901)).stamp("2026-09-01 08:00").set("NumberOfTotalClicks", "3");
        let counts = world.load(&[again]).await;
        assert_eq!((counts.inserted, counts.updated), (0, 1), "archived: {archived}");
        // The id before leads to it still.
        let counts = world.load(&[mail(1).without("MergeId"), mail(2).without("MergeId")]).await;
        assert_eq!((counts.inserted, counts.updated), (0, 0), "archived: {archived}");
        let rows = world.ask("SELECT ier_id, merge_id, opened, number_of_total_clicks FROM ier ORDER BY 2").await;
        let one = |id: u32, merge: &str, clicks: &str| [ier_id(id), merge.to_owned(), "true".to_owned(), clicks.to_owned()];
        assert_eq!(rows, [one(901, "M-1", "3"), one(902, "M-2", "-")], "archived: {archived}");
        world.archive("2026-08-01").await;
        assert_eq!(world.line("SELECT count(*) FROM ier").await, "2");
        world.the_books_balance().await;
        world.no_key_twice().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_9013_0_is_job_9013() {
    let world = World::on("2026-07-10");
    world.load(&[placed(mail(1).without("MergeId"), "410")]).await;
    let framed = opened(1).without("MergeId").without("Id").set("JobId", "9013.0").set("ListId", "501.0");
    let counts = world.load(&[framed.set("BatchId", "1.0").set("SubscriberId", "410.0 ")]).await;
    assert_eq!((counts.inserted, counts.updated), (0, 1));
    let row = world.line("SELECT ier_id, job_id, list_id, batch_id, subscriber_id, opened FROM ier").await;
    assert_eq!(row, format!("{} 9013 501 1 410 true", ier_id(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blanks_after_a_merge_id_are_ignored() {
    let world = World::on("2026-07-10");
    world.load(&[mail(1)]).await;
    let counts = world.load(&[opened(1).set("MergeId", "m-1          ").without("Id")]).await;
    assert_eq!((counts.inserted, counts.updated), (0, 1));
    assert_eq!(world.ask(STATE).await, [[ier_id(1), "m-1".into(), "true".into()]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_without_its_unique_id_is_the_link_it_was() {
    let world = World::on("2026-11-01");
    world.load(&[mail(1)]).await;
    world.load(&[link(1, 1).stamp("2026-07-07 08:00")]).await;
    let slim = |clicks: &str, stamp: &str| link(1, 1).without("Unique_Link_ID").stamp(stamp).set("NumberOfTotalClicks", clicks);
    let counts = world.load(&[slim("3", "2026-07-08 08:00")]).await;
    assert_eq!((counts.inserted, counts.updated), (0, 1));
    world.archive("2026-08-01").await;
    world.load(&[slim("4", "2026-07-09 08:00")]).await;
    let rows = world.ask("SELECT unique_link_id, number_of_total_clicks, person_id FROM individual_link").await;
    assert_eq!(rows, [["L-1".to_owned(), "4".to_owned(), contact_id(1)]]);
    world.the_books_balance().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_of_a_link_without_its_unique_id_are_those_they_were() {
    let world = World::on("2026-11-01");
    let id = crate::world::records::id("a0F", 1);
    let (full, slim) = ("Id,et4ae5__Unique_Link_ID__c,et4ae5__Aggregate_Link_ID__c", "Id,et4ae5__Aggregate_Link_ID__c");
    let provided = ",et4ae5__LinkURL__c,et4ae5__NumberOfTotalClicks__c,SystemModstamp";
    let clicks = "SELECT count(*), max(unique_link_id), max(number_of_total_clicks) FROM aggregate_link";
    for (name, header, row, shown) in [
        ("1.csv", slim, format!("{id},x,https://example.edu,1,2026-07-07T08:00:00Z"), "1 - 1"),
        ("2.csv", full, format!("{id},U-1,x,https://example.edu,2,2026-07-08T08:00:00Z"), "1 U-1 2"),
        ("3.csv", slim, format!("{id},x,https://example.edu,3,2026-07-09T08:00:00Z"), "1 U-1 3"),
    ] {
        let file = world.text(name, &format!("{header}{provided}\n{row}\n"));
        world.load_files(&[file]).await.expect("the load");
        assert_eq!(world.line(clicks).await, shown, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stored_records_become_one_when_a_third_version_has_both_names() {
    // Each of the two in hot or in the archive, or changed since it was archived.
    for (first, second) in [("hot", "hot"), ("hot", "archive"), ("archive", "hot"), ("archive", "archive"), ("late", "late")] {
        let world = World::on("2026-11-01");
        let by_id = mail(1).without("MergeId");
        let by_place = placed(mail(1).without("MergeId").without("Id"), "410").set("NumberOfTotalClicks", "2");
        for (record, tier) in [(by_id, first), (by_place, second)] {
            world.load(std::slice::from_ref(&record)).await;
            if tier != "hot" {
                world.archive("2026-08-01").await;
            }
            if tier == "late" {
                world.load(&[record.stamp("2026-07-06 16:00").set("Email", "a@example.edu")]).await;
            }
        }
        assert_eq!(world.line("SELECT count(*) FROM ier").await, "2");
        world.load(&[placed(opened(1), "410")]).await;
        let row = world.ask("SELECT ier_id, merge_id, subscriber_id, opened FROM ier").await;
        assert_eq!(row, [[ier_id(1), "M-1".into(), "410".into(), "true".into()]], "{first}, {second}");
        let other = world.another();
        assert_eq!(other.line("SELECT count(*) FROM ier").await, "1", "{first}, {second}");
        other.the_books_balance().await;
        other.archive("2026-08-01").await;
        assert_eq!(other.line("SELECT count(*), min(tier) FROM ier").await, "1 archive", "{first}, {second}");
        other.the_books_balance().await;
        other.rows_stand_where_they_belong().await;
        other.files_are_sound().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_merge_ids_with_one_id_stay_two_records() {
    let world = World::on("2026-07-10");
    world.load(&[mail(1).without("MergeId")]).await;
    world.load(&[mail(1)]).await;
    world.load(&[mail(1).set("MergeId", "M-2")]).await;
    assert_eq!(world.ask("SELECT merge_id FROM ier ORDER BY 1").await, [["M-1"], ["M-2"]]);
    world.the_books_balance().await;
}

/// Two rows of one mail, one known by its id and one by its place, and a file with the version that tells. Neither is archived, or
/// both are and the first has changed since.
async fn distinguished(archived: bool) -> (World, Job) {
    let world = World::on("2026-11-01");
    let by_id = mail(1).without("MergeId");
    let by_place = placed(mail(1).without("MergeId").without("Id"), "410").set("NumberOfTotalClicks", "2");
    world.load(&[by_id.clone(), mail(2)]).await;
    world.load(&[by_place]).await;
    world.load(&[link(1, 1).stamp("2026-07-07 08:00")]).await;
    if archived {
        world.archive("2026-08-01").await;
        world.load(&[by_id.stamp("2026-07-06 16:00").set("Email", "a@example.edu")]).await;
    }
    let file = world.file("tells.csv", &[placed(opened(1), "410")]);
    (world, load_of(vec![file]))
}

/// Nobody ever misses the mail, and when all is done there is one of it.
async fn is_there(world: &World, provided: &str, done: bool) {
    let reader = world.another();
    let question = format!("SELECT subscriber_id, opened FROM ier WHERE person_id = '{}'", contact_id(1));
    let rows = reader.ask(&question).await;
    assert!(matches!(rows.len(), 1 | 2), "{provided}: {rows:?}");
    if done {
        assert_eq!(rows, [["410", "true"]], "{provided}");
        reader.the_books_balance().await;
        reader.archive("2026-08-01").await;
        assert_eq!(reader.line("SELECT count(*), max(tier), bool_or(opened) FROM ier").await, "2 archive true", "{provided}");
        let question = "SELECT l.person_id, l.tier FROM individual_link l JOIN ier i USING (ier_id)";
        assert_eq!(reader.ask(question).await, [[contact_id(1), "archive".into()]], "{provided}");
        reader.the_books_balance().await;
        reader.rows_stand_where_they_belong().await;
    }
}

#[test]
fn a_load_that_makes_one_of_two_and_fails_anywhere_is_finished_by_the_next() {
    for archived in [false, true] {
        let (start, job) = on_one_thread(distinguished(archived));
        let whole = start.fork(None);
        on_one_thread(job(&whole)).expect("the load");
        on_one_thread(is_there(&whole, "whole", true));
        let calls = whole.store.calls();
        let writes: Vec<u64> = (1..).zip(calls).filter(|(_, call)| call.writes()).map(|(number, _)| number).collect();
        assert!(writes.len() > 4, "{writes:?}");
        let modes = [Mode::ErrorForEver, Mode::DoneButFailed, Mode::TornWrite];
        let tries: Vec<_> = writes.into_iter().flat_map(|call| modes.map(|mode| (call, mode))).collect();
        on_all_cores(tries, |(call, mode)| {
            on_one_thread(async {
                let world = start.fork(None);
                drop(job(&world.process(Some((call, mode)), None)).await);
                let provided = format!("archived: {archived}, call {call}, {mode:?}");
                is_there(&world, &provided, false).await;
                job(&world.another()).await.unwrap_or_else(|error| panic!("{provided}: {error}"));
                is_there(&world, &provided, true).await;
            });
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn making_one_of_two_beside_an_archive_run_loses_nothing_and_doubles_nothing() {
    for archived in [false, true] {
        let (start, load) = distinguished(archived).await;
        let archive = archive_job("2026-08-01");
        for (first, second, name) in [(&load, &archive, "load held"), (&archive, &load, "archive held")] {
            let clean = start.fork(None);
            first(&clean).await.expect("a run alone");
            let writes = clean.store.calls().into_iter().enumerate().filter(|(_, call)| call.writes());
            for at in writes.map(|(at, _)| at).collect::<Vec<_>>() {
                let world = start.fork(None);
                let provided = format!("archived: {archived}, {name} at call {at}");
                let counted = std::sync::atomic::AtomicUsize::new(0);
                let process = world.another();
                let gate = process.store.hold(move |_| counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == at);
                let job = first.clone();
                let mut running = tokio::spawn(async move { job(&process).await });
                tokio::select! {
                    () = gate.reached() => {}
                    done = &mut running => { done.expect("no panic").expect("a run alone"); continue; }
                }
                is_there(&world, &provided, false).await;
                second(&world.another()).await.unwrap_or_else(|error| panic!("{provided}: the second: {error}"));
                is_there(&world, &provided, false).await;
                gate.open();
                running.await.expect("no panic").unwrap_or_else(|error| panic!("{provided}: the first: {error}"));
                is_there(&world, &provided, true).await;
            }
        }
    }
}

/// The row under another key, as builds that looked at keys only stored it again.
async fn stored_under(world: &World, role: Role, key: &str, change: impl Fn(&RecordBatch, &mut Vec<arrow::array::ArrayRef>)) {
    let lake = world.warehouse.table(role, known("ier").expect("a table")).await.expect("a lake");
    let snapshot = lake.snapshot().await.expect("a snapshot");
    let file = snapshot.files().next().expect("a file");
    let row = rows(&lake, file).await.slice(0, 1);
    let at = |name: &str| row.schema().index_of(name).expect("a column");
    let mut columns = row.columns().to_vec();
    columns[at(hidden::KEY)] = Arc::new(StringArray::from(vec![key]));
    change(&row, &mut columns);
    let add = written(&lake, file.partition, RecordBatch::try_new(row.schema(), columns).expect("a row")).await;
    swap(world, &lake, vec![], vec![add]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_older_loads_stored_under_two_keys_reconcile_makes_one() {
    for role in [Role::Hot, Role::Archive] {
        let world = World::on("2026-11-01");
        world.load(&[placed(mail(1).without("MergeId"), "410")]).await;
        if role == Role::Archive {
            world.archive("2026-08-01").await;
        }
        stored_under(&world, role, "\u{1}9013.0\u{1}501.0\u{1}1.0\u{1}410.0", |_, _| {}).await;
        assert_eq!(world.another().line("SELECT count(*) FROM ier").await, "2");
        let found = world.another().try_reconcile(false).await.expect("the books");
        assert_eq!((found.doubled.len(), found.doubled[0].records, found.doubled[0].copies), (1, 1, 2), "{found}");
        assert!(found.to_string().contains("9013.0 501.0 1.0 410.0: the same under another key"), "{found}");
        let report = world.another().try_reconcile(true).await.expect("the repair");
        assert_eq!(report.doubled[0].mended, 1, "{report}");
        let after = world.another();
        assert_eq!(after.line("SELECT count(*), min(job_id) FROM ier").await, "1 9013");
        assert!(after.try_reconcile(false).await.expect("the books").doubled.is_empty());
    }
}

/// By what a version says whose it is.
#[derive(Clone, Copy, Debug)]
enum Provided {
    MergeAndId,
    MergeAndNewId,
    Id,
    NewId,
    Place,
    PlaceAndId,
    MergeAndPlace,
    MergeAndAnotherPlace,
    AnotherPlace,
}

const PROVIDED: [Provided; 9] = [
    Provided::MergeAndId,
    Provided::MergeAndNewId,
    Provided::Id,
    Provided::NewId,
    Provided::Place,
    Provided::PlaceAndId,
    Provided::MergeAndPlace,
    Provided::MergeAndAnotherPlace,
    Provided::AnotherPlace,
];

#[derive(Clone, Debug)]
struct Version {
    record: u32,
    provided: Provided,
    hour: u32,
    contact: bool,
    opened: bool,
}

impl Version {
    fn record(&self) -> Record {
        use Provided::{
            AnotherPlace, Id, MergeAndAnotherPlace, MergeAndId, MergeAndNewId, MergeAndPlace, NewId, Place, PlaceAndId,
        };
        let day = if self.record == 0 { "2026-07-06" } else { "2026-10-20" };
        let blank = Record::default().set("Id", "").set("MergeId", "").set("Name", "News").set("Opened", self.opened.to_string());
        let blank = blank.set("JobId", "").set("ListId", "").set("BatchId", "").set("SubscriberId", "");
        let contact = if self.contact { contact_id(self.record) } else { String::new() };
        let mut record = blank.set("Contact", contact).sent(day).stamp(&format!("{day} {:02}:00", 10 + self.hour));
        if matches!(self.provided, MergeAndId | MergeAndNewId | MergeAndPlace | MergeAndAnotherPlace) {
            record = record.set("MergeId", format!("M-{}", self.record));
        }
        if matches!(self.provided, MergeAndId | Id | PlaceAndId) {
            record = record.set("Id", ier_id(self.record));
        }
        if matches!(self.provided, MergeAndNewId | NewId) {
            record = record.set("Id", ier_id(900 + self.record));
        }
        if matches!(self.provided, Place | PlaceAndId | MergeAndPlace) {
            record = placed(record, &format!("41{}", self.record));
        }
        if matches!(self.provided, AnotherPlace | MergeAndAnotherPlace) {
            record = placed(record, &format!("51{}", self.record));
        }
        record
    }
}

fn versions() -> impl Strategy<Value = (Vec<Version>, Vec<(usize, bool, bool)>)> {
    let version = (0..3u32, 0..PROVIDED.len(), 0..6u32, any::<bool>(), any::<bool>());
    let version = version.prop_map(|(record, provided, hour, contact, opened)| Version {
        record,
        provided: PROVIDED[provided],
        hour,
        contact,
        opened,
    });
    prop::collection::vec(version, 2..9).prop_flat_map(|versions| {
        let order = Just((0..versions.len()).collect::<Vec<_>>()).prop_shuffle();
        let cuts = prop::collection::vec((any::<bool>(), prop::bool::weighted(0.3)), versions.len());
        let arrivals =
            (order, cuts).prop_map(|(order, cuts)| order.into_iter().zip(cuts).map(|(at, (cut, run))| (at, cut, run)).collect());
        (Just(versions), arrivals)
    })
}

async fn all(world: &World) -> Vec<Vec<String>> {
    let columns =
        "ier_id, merge_id, job_id, list_id, batch_id, subscriber_id, person_id, email_name, date_sent, opened, system_modstamp";
    world.ask(&format!("SELECT {columns} FROM ier ORDER BY {columns}")).await
}

async fn arrive(versions: &[Version], arrivals: &[(usize, bool, bool)]) -> Result<(), TestCaseError> {
    let together = World::on("2026-11-01");
    together.load(&versions.iter().map(Version::record).collect::<Vec<_>>()).await;
    let expected = all(&together).await;
    let world = World::on("2026-11-01");
    let mut waiting = Vec::new();
    for (at, cut, run) in arrivals {
        waiting.push(versions[*at].record());
        if *cut {
            world.load(&std::mem::take(&mut waiting)).await;
        }
        if *run {
            world.archive("2026-08-01").await;
        }
    }
    if !waiting.is_empty() {
        world.load(&waiting).await;
    }
    prop_assert_eq!(all(&world).await, expected.clone());
    prop_assert_eq!(world.load(&versions.iter().map(Version::record).collect::<Vec<_>>()).await.updated, 0, "again");
    world.the_books_balance().await;
    world.archive("2026-08-01").await;
    prop_assert_eq!(all(&world).await, expected, "archived");
    world.the_books_balance().await;
    world.rows_stand_where_they_belong().await;
    Ok(())
}

#[test]
fn any_order_and_any_batching_of_versions_is_the_same_records() {
    let cases = std::env::var("IER_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40);
    let config = ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let outcome = runner.run(&versions(), |(versions, arrivals)| runtime.block_on(arrive(&versions, &arrivals)));
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stored_is_looked_through_for_versions_with_keys_of_their_own() {
    let world = World::on("2026-11-01");
    world.load(&[mail(1), mail(2)]).await;
    world.archive("2026-08-01").await;
    let lake = world.warehouse.table(Role::Archive, known("ier").expect("a table")).await.expect("a lake");
    let snapshot = lake.snapshot().await.expect("a snapshot");
    assert_eq!(snapshot.partition(Role::Archive.partition_of(Some(day("2026-07-06").to_epoch_days()))).len(), 1);
    let open = ier::lake::read::open(&lake, snapshot.files().next().expect("a file")).await.expect("a file");
    assert!(!open.may_hold(hidden::KEY, |least, _| least < b"\x03".as_slice()), "the footer tells that no key is makeshift");
    assert!(!open.may_hold(hidden::KEPT, |least, _| least < BEHIND_NAMES.as_bytes()), "nor is any name noted");
    let batch = rows(&lake, snapshot.files().next().expect("a file")).await;
    assert_eq!(batch.column_by_name(hidden::KEY).expect("keys").as_string::<i32>().value(0), "m-1");
}
