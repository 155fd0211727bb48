//! What `ier verify` finds. Each story damages one thing in a sound warehouse, behind the engine's back, and verify names it:
//! that object, what is wrong with it, and nothing else. Not here: damage by chance.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use deltalake_core::kernel::Add;
use futures::{StreamExt, TryStreamExt};
use ier::error::Kind;
use ier::jobs::verify::VerifyReport;
use ier::lake::file::layout::Effort;
use ier::lake::fold::write;
use ier::lake::log::commit::{Change, commit};
use ier::lake::log::snapshot::DataFile;
use ier::lake::log::table::LakeTable;
use ier::lake::paths::{Partition, Role};
use ier::lake::read;
use ier::ledgers::lookups::{LookUp, LookUpLog};
use ier::record::fields::known;
use ier::record::id::SfId;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::faults;
use crate::world::records::{contact, contact_id, ier, send};
use crate::world::{World, day};

/// A warehouse with rows in both tiers, late ones among them, links, sends, people and look-ups.
pub async fn sound() -> World {
    let world = faults::scenes::before_archive().await;
    world.load(&[send(1, 12).stamp("2026-10-01 00:00"), send(2, 3).stamp("2026-10-01 00:00")]).await;
    world.load(&[contact(1).merged_into(2).stamp("2026-10-01 00:00"), contact(2).stamp("2026-10-01 00:00")]).await;
    look_at_some(&world).await;
    world
}

/// A warehouse with a checkpoint in the log of hot IERs, and entries after it.
pub async fn with_checkpoint() -> World {
    let world = sound().await;
    for number in 0..21 {
        let row = ier(60 + number % 3).contact(1).sent("2026-10-22 08:00");
        world.load(&[row.stamp("2026-10-23 00:00").clicks(number + 1, 1)]).await;
    }
    world
}

/// Enters three look-ups.
pub async fn look_at_some(world: &World) {
    let log = LookUpLog::open(&world.warehouse, "ann", None).await.expect("the log of look-ups");
    for reason in ["ticket 1", "ticket 2", "ticket 3"] {
        let person = SfId::parse(&contact_id(1)).expect("an id");
        log.append(LookUp { verb: "history", person, reason: Some(reason), rows: 3 }).await.expect("an entry");
    }
}

pub async fn lake(world: &World, role: Role) -> Arc<LakeTable> {
    let table = known("individual_email_result").expect("IERs");
    world.warehouse.table(role, table).await.expect("a table")
}

/// The first file of a table with at least so many rows.
async fn file(lake: &LakeTable, rows: u64) -> Arc<DataFile> {
    let snapshot = lake.snapshot().await.expect("a snapshot");
    snapshot.files().find(|file| file.rows >= rows).expect("a file").clone()
}

/// The same, and none of them late: late ones may be in both tiers.
pub async fn young(hot: &LakeTable, rows: u64) -> Arc<DataFile> {
    let snapshot = hot.snapshot().await.expect("a snapshot");
    let boundary = Partition(Some(day("2026-08-01").to_epoch_days()));
    let young = |file: &&Arc<DataFile>| file.partition >= boundary && file.late_days().next().is_none() && file.rows >= rows;
    snapshot.files().find(young).expect("a file").clone()
}

pub async fn rows(lake: &LakeTable, file: &DataFile) -> RecordBatch {
    let open = read::open(lake, file).await.expect("a file");
    let batches: Vec<RecordBatch> = open.stream(None, None).expect("rows").try_collect().await.expect("rows");
    concat_batches(&lake.table.lake_schema(), &batches).expect("one batch")
}

/// Writes rows as they are, in whatever order, as a file of a partition.
pub async fn written(lake: &LakeTable, partition: Partition, rows: RecordBatch) -> Add {
    let rows = futures::stream::iter([Ok(rows)]).boxed();
    let mut adds =
        write::write(lake, partition, Effort::Hot, &write::StartedFiles::default(), rows, 0, &|_| {}).await.expect("a file");
    adds.remove(0)
}

pub async fn swap(world: &World, lake: &LakeTable, removes: Vec<Arc<DataFile>>, adds: Vec<Add>) {
    let base = lake.snapshot().await.expect("a snapshot");
    let change = Change { adds, removes, operation: "test", ..Change::default() };
    commit(lake, &base, change, &world.clock).await.expect("a commit");
}

/// Replaces the log's entry of a file by another, for the same bytes.
async fn tell_otherwise(world: &World, lake: &LakeTable, file: &Arc<DataFile>, change: impl FnOnce(&mut Add)) {
    let mut add = file.add.clone();
    add.path = file.add.path.replace("part-", "part-again-");
    let copy = Path::from(format!("{}/{}", lake.folder, add.path));
    world.store.copy(&file.path(&lake.folder), &copy).await.expect("a copy");
    change(&mut add);
    swap(world, lake, vec![file.clone()], vec![add]).await;
}

/// Another process verifies, and finds exactly this: words of the object and of what is wrong with it.
async fn finds(world: &World, object: &str, what: &str) -> VerifyReport {
    let report = world.another().try_verify(None, false).await.expect("the verification");
    assert_eq!(report.damages.len(), 1, "one damage, not: {report}");
    let damage = &report.damages[0];
    assert!(damage.object.contains(object), "{object} is not in {damage}");
    assert!(damage.what.contains(what), "{what} is not in {damage}");
    assert!(!damage.remedy.is_empty());
    assert_eq!(report.verdict().expect_err("a verdict").kind(), Kind::Corrupt);
    let reported = report.to_string();
    assert!(reported.contains(&format!("DAMAGED {damage}")) && reported.contains("1 fault found"), "{reported}");
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sound_warehouse_is_called_sound_after_every_job() {
    World::on("2026-11-01").is_sound().await;
    let world = faults::scenes::base().await;
    world.is_sound().await;
    let world = sound().await;
    let report = world.is_sound().await;
    assert_eq!(report.look_ups.as_ref().map(|log| log.entries), Some(3));
    assert!(report.to_string().ends_with("all is as it was written"), "{report}");
    let hot = report.tables.iter().find(|table| table.table == "hot/individual_email_result").expect("hot IERs");
    assert!(hot.files > 1 && hot.rows > 5 && hot.bytes > 0, "{hot:?}");
    world.archive("2026-09-10").await;
    world.is_sound().await;
    world.archive("2026-10-01").await;
    world.compact().await;
    world.is_sound().await;
    world.days_pass(30);
    let report = world.is_sound().await;
    assert!(!report.leftovers.is_empty(), "replaced files are left over");
    world.vacuum(24).await;
    assert_eq!(world.is_sound().await.leftovers, []);
    let late = ier(1).contact(1).sent("2026-06-10 08:00").stamp("2026-11-30 00:00").opened("2026-11-30 00:00");
    world.load(&[late]).await;
    world.is_sound().await;
    world.load_files(&[world.text("Affiliation.csv", "ContactId,Campus\n003f40000000001AAA,Denver\n")]).await.expect("the load");
    assert!(world.is_sound().await.tables.iter().any(|table| table.table == "reference/affiliation"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_a_truncated_and_an_exchanged_file_are_named() {
    let world = sound().await;
    let hot = lake(&world, Role::Hot).await;
    let path = file(&hot, 1).await.path(&hot.folder);
    let bytes = world.store.get(&path).await.expect("a file").bytes().await.expect("bytes");

    world.store.delete(&path).await.expect("gone");
    finds(&world, path.as_ref(), "is missing").await;
    world.store.put(&path, bytes.slice(..bytes.len() / 2).into()).await.expect("half");
    finds(&world, path.as_ref(), &format!("has {} bytes, and the log says {}", bytes.len() / 2, bytes.len())).await;
    let mut altered = bytes.to_vec();
    let middle = altered.len() / 2;
    altered[middle] ^= 0x10;
    world.store.put(&path, altered.into()).await.expect("altered");
    finds(&world, path.as_ref(), "its bytes are not those that were written").await;
    world.store.put(&path, bytes.clone().into()).await.expect("as it was");
    world.another().is_sound().await;

    let snapshot = hot.snapshot().await.expect("a snapshot");
    let other = snapshot.files().map(|file| file.path(&hot.folder)).find(|other| *other != path).expect("another file");
    let others = world.store.get(&other).await.expect("a file").bytes().await.expect("bytes");
    world.store.put(&path, others.into()).await.expect("exchanged");
    world.store.put(&other, bytes.into()).await.expect("exchanged");
    let report = world.another().try_verify(Some("ier"), false).await.expect("the verification");
    let named: Vec<&str> = report.damages.iter().map(|damage| damage.object.as_str()).collect();
    let mut both = [path.as_ref(), other.as_ref()];
    both.sort_unstable();
    assert_eq!(named, both, "every damaged file is named: {report}");
    let links = world.another().try_verify(Some("individual_link"), false).await.expect("the verification");
    assert!(links.verdict().is_ok(), "another table is not concerned: {links}");
    let error = world.another().try_verify(Some("nothing"), false).await.expect_err("no such table");
    assert_eq!(error.kind(), Kind::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_says_of_a_file_must_be_true() {
    type Lie = fn(&mut serde_json::Value);
    let lies: [(&str, Lie); 5] = [
        ("rows, and the log says 77", |stats| stats["numRecords"] = 77.into()),
        ("least value of person_id", |stats| stats["minValues"]["person_id"] = "001f40000000000AAA".into()),
        ("greatest value of date_sent", |stats| stats["maxValues"]["date_sent"] = "2031-01-01T00:00:00.000Z".into()),
        ("least value of sent_date", |stats| stats["minValues"]["sent_date"] = "2001-01-01".into()),
        ("number of nulls of lead_id", |stats| stats["nullCount"]["lead_id"] = 0.into()),
    ];
    let world = sound().await;
    for (what, lie) in lies {
        let world = world.fork(None);
        let archive = lake(&world, Role::Archive).await;
        let file = file(&archive, 1).await;
        tell_otherwise(&world, &archive, &file, |add| {
            let mut stats = serde_json::from_str(add.stats.as_deref().expect("statistics")).expect("json");
            lie(&mut stats);
            add.stats = Some(stats.to_string());
        })
        .await;
        finds(&world, "archive/individual_email_result/sent_month=", what).await;
    }
    let hot = lake(&world, Role::Hot).await;
    let snapshot = hot.snapshot().await.expect("a snapshot");
    let marked = snapshot.files().find(|file| file.late_days().next().is_some()).expect("a file with marks").clone();
    tell_otherwise(&world, &hot, &marked, |add| {
        add.tags.as_mut().expect("tags").remove(ier::lake::file::tags::LATE);
    })
    .await;
    finds(&world, "hot/individual_email_result/sent_day=", "under which days its marked rows may be archived").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_out_of_order_or_out_of_place_are_found() {
    let world = sound().await;
    let hot = lake(&world, Role::Hot).await;
    let file = young(&hot, 2).await;
    let own = rows(&hot, &file).await;

    let unsorted = world.fork(None);
    let reversed: UInt32Array = (0..own.num_rows() as u32).rev().collect();
    let reversed = take_record_batch(&own, &reversed).expect("the rows, backwards");
    let hot_of = lake(&unsorted, Role::Hot).await;
    let add = written(&hot_of, file.partition, reversed).await;
    swap(&unsorted, &hot_of, vec![file.clone()], vec![add]).await;
    finds(&unsorted, "hot/individual_email_result/sent_day=", "not sorted by person_id, date_sent, record_key").await;

    let aleftover_file = world.fork(None);
    let hot_of = lake(&aleftover_file, Role::Hot).await;
    let elsewhere = Partition(Some(day("2026-10-25").to_epoch_days()));
    let add = written(&hot_of, elsewhere, own).await;
    swap(&aleftover_file, &hot_of, vec![file], vec![add]).await;
    finds(&aleftover_file, "sent_day=2026-10-25", "of its rows belong to another partition").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_twice_is_found_within_a_tier_and_over_both() {
    let world = sound().await;
    let hot = lake(&world, Role::Hot).await;
    let file = young(&hot, 1).await;
    let one = rows(&hot, &file).await.slice(0, 1);

    let within = world.fork(None);
    let hot_of = lake(&within, Role::Hot).await;
    let add = written(&hot_of, file.partition, one.clone()).await;
    swap(&within, &hot_of, vec![], vec![add]).await;
    let report =
        finds(&within, "individual_email_result", "is there 2 times: row 0 of hot/individual_email_result/sent_day=").await;
    assert!(report.damages[0].what.starts_with("key m-"), "{report}");

    let over = world.fork(None);
    let archive = lake(&over, Role::Archive).await;
    let month = Role::Archive.partition_of(file.partition.0);
    let add = written(&archive, month, one).await;
    swap(&over, &archive, vec![], vec![add]).await;
    finds(&over, "individual_email_result", "row 0 of archive/individual_email_result/sent_month=").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_killed_runs_leave_behind_is_listed_and_swept_on_request() {
    let world = sound().await;
    let leftover_file = Path::from("hot/individual_email_result/sent_day=2026-10-01/part-of-a-killed-run.parquet");
    world.store.put(&leftover_file, "half a file".into()).await.expect("a leftover");
    let listed = |report: &VerifyReport| report.leftovers.iter().any(|leftover| leftover.object == leftover_file.as_ref());
    let is_there = async || world.store.head(&leftover_file).await.is_ok();
    assert!(!listed(&world.is_sound().await), "what is young may belong to a run at work");
    world.days_pass(8);
    let report = world.is_sound().await;
    assert!(listed(&report) && report.to_string().contains(&format!("left over: {leftover_file}, 11 B")), "{report}");
    assert!(is_there().await, "nothing is deleted untold");

    let damaged = world.fork(None);
    let hot = lake(&damaged, Role::Hot).await;
    damaged.store.delete(&file(&hot, 1).await.path(&hot.folder)).await.expect("gone");
    let report = damaged.another().try_verify(None, true).await.expect("the verification");
    assert!(listed(&report) && damaged.store.head(&leftover_file).await.is_ok(), "nothing is swept from a damaged table");

    let report = world.try_verify(None, true).await.expect("the verification");
    assert!(report.verdict().is_ok() && report.swept == report.leftovers.len() as u64, "{report}");
    assert!(!is_there().await);
    assert_eq!(world.is_sound().await.leftovers, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_altered_look_up_and_an_altered_key_are_found() {
    let world = sound().await;
    let entry = Path::from("lookups/00000000000000000002.json");
    let bytes = world.store.get(&entry).await.expect("an entry").bytes().await.expect("bytes");
    let text = std::str::from_utf8(&bytes).expect("json").replace("ticket 2", "ticket 7");
    world.store.put(&entry, text.into()).await.expect("altered");
    finds(&world, entry.as_ref(), "look-up 2 was altered").await;
    world.store.put(&entry, bytes.into()).await.expect("as it was");
    world.another().is_sound().await;

    let key = Path::from("lookups/key");
    let bytes = world.store.get(&key).await.expect("the key").bytes().await.expect("bytes");
    let mut other = bytes.to_vec();
    other[5] = if other[5] == b'0' { b'1' } else { b'0' };
    world.store.put(&key, other.into()).await.expect("altered");
    finds(&world, key.as_ref(), "is not the key it was").await;
    world.store.put(&key, bytes.slice(..40).into()).await.expect("cut");
    finds(&world, key.as_ref(), "lookups/key is no key").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_misses_an_entry_or_holds_a_strangers_is_named() {
    let world = with_checkpoint().await;
    let log = Path::from("hot/individual_email_result/_delta_log");
    let entry = |version: u64| log.clone().join(format!("{version:020}.json"));
    let gap = world.fork(None);
    gap.store.delete(&entry(7)).await.expect("gone");
    finds(&gap, entry(7).as_ref(), "is missing").await;

    let strange = world.fork(None);
    let hot = lake(&world, Role::Hot).await;
    let next = hot.snapshot().await.expect("a snapshot").version.expect("a version") + 1;
    strange.store.put(&entry(next), "{\"commitInfo\":{\"operation\":\"OPTIMIZE\"}}\n".into()).await.expect("an entry");
    finds(&strange, entry(next).as_ref(), "was not written by ier but by another engine (OPTIMIZE)").await;
    let error = strange.another().try_ask("SELECT count(*) FROM ier").await.expect_err("a stranger's entry");
    assert!(error.kind() == Kind::Corrupt && error.to_string().contains(entry(next).as_ref()), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seal_is_swept_when_its_checkpoint_is_gone_and_not_before() {
    let world = with_checkpoint().await;
    world.days_pass(40);
    world.vacuum(24).await;
    assert_eq!(world.is_sound().await.leftovers, [], "seals are needed as long as their checkpoints");
    let log: Vec<_> = world.store.list(Some(&Path::from("hot/individual_email_result"))).try_collect().await.expect("a listing");
    let places = |part: &str| {
        log.iter().map(|object| &object.location).filter(|place| place.as_ref().contains(part)).cloned().collect::<Vec<_>>()
    };
    for place in places("_delta_log").iter().filter(|place| place.as_ref().contains("checkpoint")) {
        world.store.delete(place).await.expect("gone");
    }
    let (report, seals) = (world.another().is_sound().await, places("_seals"));
    let named: Vec<&str> = report.leftovers.iter().map(|leftover| leftover.object.as_str()).collect();
    assert!(!seals.is_empty());
    assert_eq!(named, seals.iter().map(Path::as_ref).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seals_cost_no_request_where_nothing_has_changed() {
    let world = with_checkpoint().await.another();
    let hot = lake(&world, Role::Hot).await;
    hot.snapshot().await.expect("a snapshot");
    let before = world.store.calls();
    let checkpoints = before.iter().filter(|call| call.path.contains("checkpoint.parquet")).collect::<Vec<_>>();
    let of = |what: &str| checkpoints.iter().filter(|call| call.what == what).count();
    assert_eq!(
        (of("get"), of("get_ranges"), of("list")),
        (1, 0, 1),
        "a checkpoint is read once, its seals beside it: {before:?}"
    );
    hot.snapshot().await.expect("a snapshot");
    // Has the log grown, and is the entry known still there?
    assert_eq!(world.store.calls().len(), before.len() + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_answer_is_no_damage() {
    let world = sound().await;
    let calls = {
        let world = world.fork(None);
        world.is_sound().await;
        world.store.calls()
    };
    let data = calls.iter().position(|call| call.path.ends_with(".parquet") && call.path.contains("sent_day=")).expect("a read");
    let world = world.fork(Some((data as u64 + 1, crate::world::store::Mode::ErrorOnce)));
    let report = world.try_verify(None, false).await.expect("the verification");
    assert_eq!(report.damages.len(), 1, "{report}");
    assert_eq!(report.verdict().expect_err("a verdict").kind(), Kind::Unavailable, "{report}");
}
