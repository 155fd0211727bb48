//! Files that are gone, and logs another engine wrote to: nothing is lost in silence, what is lost is reported and kept, and every job
//! works again afterwards.

use std::sync::Arc;
use std::time::Duration;

use ier::error::{Error, Kind};
use ier::jobs::give_up::{self, GiveUpPlan, GiveUpReport};
use ier::jobs::undo::{self, UndoPlan};
use ier::jobs::vacuum::checked_retention;
use ier::lake::log::commit::{Change, commit};
use ier::lake::log::snapshot::DataFile;
use ier::lake::log::table::LakeTable;
use ier::lake::paths::Role;
use ier::ledgers::holds::Scope;
use ier::ledgers::runs::Report;
use ier::record::fields::known;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

use crate::faults::scenes::{archive_job, base, before_archive, compact_job, vacuum_job};
use crate::verify::{lake, rows, written};
use crate::world::records::{contact, contact_id, ier};
use crate::world::{World, silent};

impl World {
    async fn try_give_up_plan(&self, table: Option<&str>) -> ier::error::Result<GiveUpPlan> {
        give_up::plan(&self.warehouse, table, None, silent()).await
    }

    async fn give_up(&self, table: Option<&str>) -> GiveUpReport {
        let plan = self.try_give_up_plan(table).await.expect("a plan");
        give_up::execute(&self.warehouse, plan, "ann").await.expect("giving up")
    }

    async fn undo_plan(&self) -> UndoPlan {
        undo::plan(&self.warehouse).await.expect("a plan")
    }
}

/// Another engine, or a slip, takes a live file away.
async fn lose(world: &World, lake: &LakeTable, file: &DataFile) {
    world.store.delete(&file.path(&lake.folder)).await.expect("a deletion");
}

async fn files(lake: &LakeTable) -> Vec<Arc<DataFile>> {
    lake.snapshot().await.expect("a snapshot").files().cloned().collect()
}

/// Everything a warehouse does works, and its books balance.
async fn all_jobs_work(world: &World) {
    world.is_sound().await;
    world.the_books_balance().await;
    world.ask("SELECT * FROM ier").await;
    for job in [archive_job("2026-08-05"), compact_job(), vacuum_job()] {
        job(world).await.expect("a job");
    }
    world.is_sound().await;
    world.the_books_balance().await;
    world.no_key_twice().await;
}

/// Each live file of both tiers is lost in turn, with late rows about: what shows afterwards is what is left, the books balance, and
/// the exports of it all bring back the very warehouse there was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_gone_is_given_up_and_loading_the_exports_fills_the_gap() {
    let ids = "SELECT merge_id FROM ier ORDER BY 1";
    let start = before_archive().await;
    let whole = start.ask("SELECT merge_id, sent_date, opened FROM ier ORDER BY 1").await;
    let mut lost = 0;
    for role in [Role::Hot, Role::Archive] {
        let all = files(lake(&start, role).await.as_ref()).await.len();
        for at in 0..all {
            let world = start.fork(None);
            let table = lake(&world, role).await;
            let file = files(&table).await[at].clone();
            lose(&world, &table, &file).await;
            let world = world.another();
            let plan = world.try_give_up_plan(None).await.expect("a plan");
            assert_eq!((plan.files.len(), plan.files[0].rows, plan.other.len()), (1, file.rows, 0), "{plan}");
            assert!(world.try_verify(None, false).await.expect("a look").verdict().is_err(), "a plan changes nothing");
            assert!(!plan.loads["individual_email_result"].is_empty(), "some load brought them: {plan}");
            let report = world.give_up(None).await;
            assert!(report.complaint().is_none() && report.to_string().contains("given up 1 file"), "{report}");
            let reported = world.line("SELECT object, folder, path, \"rows\", reason, author FROM given_up").await;
            assert_eq!(
                reported,
                format!("individual_email_result {} {} {} is missing ann", role.folder(), file.add.path, file.rows)
            );
            assert!(
                world.ask(ids).await.len() < whole.len() || table_hid(&start, &file).await,
                "something is not shown any more"
            );
            if at == 0 {
                all_jobs_work(&world).await;
            }
            world.is_sound().await;
            world.the_books_balance().await;
            reload(&world).await;
            assert_eq!(world.ask("SELECT merge_id, sent_date, opened FROM ier ORDER BY 1").await, whole, "{}", file.add.path);
            world.the_books_balance().await;
            lost += 1;
        }
    }
    assert!(lost > 5, "{lost} files");
}

/// A hot file of late rows hid archived ones: without it as many rows may show as before.
async fn table_hid(world: &World, file: &DataFile) -> bool {
    let table = known("individual_email_result").expect("IERs");
    let tiers = world.warehouse.tiers(table).await.expect("tiers");
    ier::tiers::pin::pin(&tiers).await.expect("a pin").is_late(file)
}

/// Loads all exports that were ever loaded.
async fn reload(world: &World) {
    let mut exports = Vec::new();
    for entry in std::fs::read_dir(world.path("")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "csv") && !path.ends_with("rejects.csv") {
            exports.push(path.to_string_lossy().into_owned());
        }
    }
    world.load_files(&exports).await.expect("the loads");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_files_are_given_up_and_sound_ones_never() {
    let world = base().await;
    assert!(world.try_give_up_plan(None).await.expect("a plan").files.is_empty());
    let (hot, archive) = (lake(&world, Role::Hot).await, lake(&world, Role::Archive).await);
    // Cut short, altered, and gone, in both tiers at once.
    let (cut, altered, gone) = (files(&hot).await[0].clone(), files(&archive).await[0].clone(), files(&archive).await[1].clone());
    let bytes = world.store.get(&cut.path(&hot.folder)).await.expect("a file").bytes().await.expect("bytes");
    world.store.put(&cut.path(&hot.folder), PutPayload::from(bytes.slice(..bytes.len() / 2))).await.expect("a put");
    let mut bytes = world.store.get(&altered.path(&archive.folder)).await.expect("a file").bytes().await.expect("bytes").to_vec();
    bytes[100] ^= 1;
    world.store.put(&altered.path(&archive.folder), PutPayload::from(bytes)).await.expect("a put");
    lose(&world, &archive, &gone).await;
    let rows = cut.rows + altered.rows + gone.rows;
    let before: u64 = world
        .line("SELECT sum(rows_read) FROM load_coverage WHERE object = 'individual_email_result'")
        .await
        .parse()
        .expect("a number");
    let world = world.another();
    let report = world.give_up(None).await;
    assert_eq!((report.files.len(), report.rows()), (3, rows), "{report}");
    let left: u64 = world.line("SELECT count(*) FROM ier").await.parse().expect("a number");
    assert_eq!(left, before - rows);
    let books = world.try_reconcile(false).await.expect("the books");
    let given_up: i64 = books.objects[0].months.iter().map(|month| month.given_up).sum();
    assert_eq!(given_up, rows as i64);
    assert!(books.to_string().contains("given up") && books.to_string().contains("the books balance"), "{books}");
    all_jobs_work(&world).await;
    // A second run finds nothing, and an interrupted one is finished: what is in the ledger already stays.
    assert!(world.give_up(None).await.files.is_empty());
    assert_eq!(world.line("SELECT count(*), sum(\"rows\") FROM given_up").await, format!("3 {rows}"));
}

/// Stopped at any call to the store, or answered wrongly, giving up goes on with the same command, and counts nothing twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giving_up_that_is_interrupted_is_finished_by_the_next_run() {
    let start = before_archive().await;
    for role in [Role::Hot, Role::Archive] {
        let table = lake(&start, role).await;
        lose(&start, &table, &files(&table).await[0]).await;
    }
    let clean = start.fork(None);
    clean.give_up(None).await;
    let (left, calls) = (clean.ask("SELECT merge_id FROM ier ORDER BY 1").await, clean.store.calls());
    let writes = calls.iter().filter(|call| call.writes()).count() as u64;
    assert!(writes >= 4, "{writes} writes");
    for mode in [crate::world::store::Mode::DoneButFailed, crate::world::store::Mode::AbortAfter] {
        for call in 1..=writes {
            let world = start.fork(Some((call, mode)));
            let plan = world.try_give_up_plan(None).await.expect("a plan");
            drop(world.store.process(give_up::execute(&world.warehouse, plan, "ann")).await);
            let next = world.another();
            next.give_up(None).await;
            assert_eq!(next.ask("SELECT merge_id FROM ier ORDER BY 1").await, left, "{mode:?} at {call}");
            assert_eq!(next.line("SELECT count(*) FROM given_up").await, "2", "{mode:?} at {call}");
            next.is_sound().await;
            next.the_books_balance().await;
        }
    }
}

/// Holds and the list of what was erased are not given up by the way; what a hold may have covered is reported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_protects_people_is_given_up_only_by_name() {
    let world = base().await;
    world.hold(Scope { person_id: Some(contact_id(1)), ..Scope::default() }).await;
    let hot = lake(&world, Role::Hot).await;
    let held = files(&hot).await[0].clone();
    lose(&world, &hot, &held).await;
    let plan = world.another().try_give_up_plan(None).await.expect("a plan");
    assert_eq!(plan.files[0].may_be_held, Some(true), "{plan}");
    assert!(plan.to_string().contains("a legal hold may cover some of it"), "{plan}");
    world.another().give_up(None).await;
    let holds = world.warehouse.table(Role::Reference, known("legal_hold").expect("holds")).await.expect("a table");
    lose(&world, &holds, &files(&holds).await[0]).await;
    let world = world.another();
    let report = world.give_up(None).await;
    assert!(report.files.is_empty() && report.left_alone.len() == 1, "{report}");
    let complaint = report.complaint().expect("a complaint");
    assert!(complaint.kind() == Kind::Corrupt && complaint.to_string().contains("--table legal_hold"), "{complaint}");
    assert!(world.try_retain(&crate::retain::rules("years = 3")).await.is_err(), "nobody knows what is held");
    world.give_up(Some("legal_hold")).await;
    world.try_retain(&crate::retain::rules("years = 3")).await.expect("retention");
    all_jobs_work(&world).await;
}

/// Ledgers, people's tables, and the ledger of what was given up itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_without_tiers_are_given_up_as_well() {
    let world = base().await;
    world.load(&[contact(1).stamp("2026-10-01 00:00"), contact(2).stamp("2026-10-01 00:00")]).await;
    for name in ["contact", "load_coverage", "given_up"] {
        let table = world.warehouse.table(Role::Reference, known(name).expect("a table")).await.expect("a table");
        let file = files(&table).await[0].clone();
        lose(&world, &table, &file).await;
        let world = world.another();
        let report = world.give_up(None).await;
        assert_eq!((report.files.len(), report.files[0].object.as_str()), (1, name), "{report}");
        all_jobs_work(&world).await;
    }
    assert_eq!(world.another().ask("SELECT object FROM given_up ORDER BY 1").await, [["given_up"]], "the others went with it");
}

/// What a commit names is there, or it fails: nothing else would tell that a vacuum took it for unused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_names_a_file_that_is_not_there_fails() {
    let world = base().await;
    let hot = lake(&world, Role::Hot).await;
    let file = files(&hot).await[0].clone();
    let add = written(&hot, file.partition, rows(&hot, &file).await).await;
    let place = hot.folder.clone().join(Path::from(add.path.as_str()).parts().next().expect("a folder"));
    let place = place.join(Path::from(add.path.as_str()).filename().expect("a name"));
    let bytes = world.store.get(&place).await.expect("a file").bytes().await.expect("bytes");
    let base = hot.snapshot().await.expect("a snapshot");
    let replace = || Change { adds: vec![add.clone()], removes: vec![file.clone()], operation: "test", ..Change::default() };
    for (what, bytes) in [("is gone", None), ("bytes, and", Some(bytes.slice(1..)))] {
        match bytes {
            None => world.store.delete(&place).await.expect("a deletion"),
            Some(bytes) => drop(world.store.put(&place, PutPayload::from(bytes)).await.expect("a put")),
        }
        let error = commit(&hot, &base, replace(), &world.clock).await.expect_err("a commit of what is not there");
        assert!(error.kind() == Kind::Conflict && error.to_string().contains(what), "{error}");
        assert_eq!(
            world
                .another()
                .warehouse
                .table(Role::Hot, &hot.table)
                .await
                .expect("hot")
                .snapshot()
                .await
                .expect("a snapshot")
                .version,
            base.version
        );
    }
    world.store.put(&place, PutPayload::from(bytes)).await.expect("a put");
    commit(&hot, &base, replace(), &world.clock).await.expect("a commit of what is there");
    world.is_sound().await;
}

/// A vacuum without retention runs beside a load, just before the load commits: the load writes its files anew, and loses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_beside_a_vacuum_without_retention_loses_nothing() {
    let world = base().await;
    let process = world.another();
    let file = world.file("more.csv", &[ier(30).contact(1).sent("2026-10-02 08:00").stamp("2026-10-30 00:00")]);
    // The load has written its file, and asks whether it is there.
    let gate = process
        .store
        .hold(|call| call.what == "get" && call.path.contains("hot/individual_email_result/sent_day=2026-10-02/part-"));
    let loading = tokio::spawn(async move { process.load_files(&[file]).await });
    gate.reached().await;
    world.clock.tick(chrono::Duration::seconds(1));
    let swept = world.vacuum(0).await;
    assert!(swept.files > 0, "it took the load's file for unused");
    gate.open();
    let report = loading.await.expect("no panic").expect("the load");
    assert_eq!(report.tables[0].inserted, 1);
    let world = world.another();
    assert_eq!(world.line("SELECT count(*) FROM ier WHERE sent_date = '2026-10-02'").await, "1");
    world.is_sound().await;
    world.the_books_balance().await;
}

#[test]
fn vacuum_has_a_floor_and_a_ceiling() {
    let hour = Duration::from_secs(3600);
    assert_eq!(checked_retention(hour, false).expect("an hour"), chrono::Duration::hours(1));
    assert_eq!(checked_retention(30 * 24 * hour, false).expect("as long as logs say"), chrono::Duration::days(30));
    let reported = |error: Error| (error.kind(), error.to_string());
    let (kind, short) = reported(checked_retention(hour - Duration::from_secs(1), false).expect_err("too short"));
    assert!(kind == Kind::Invalid && short.contains("--even-while-jobs-run") && short.contains("deleted as unused"), "{short}");
    assert_eq!(checked_retention(Duration::ZERO, true).expect("told to"), chrono::Duration::zero());
    let (kind, long) = reported(checked_retention(31 * 24 * hour, true).expect_err("too long"));
    assert!(kind == Kind::Invalid && long.contains("30 days"), "{long}");
}

/// An entry as another engine writes it: adds a file with so many rows, and takes another out.
fn foreign(add: &str, rows: u64, remove: Option<&str>) -> String {
    let mut lines = vec![
        serde_json::json!({"commitInfo": {"timestamp": 1_764_324_000_000_i64, "operation": "WRITE", "engineInfo": "delta-rs:py-1.6.6"}}),
        serde_json::json!({"add": {"path": add, "partitionValues": {"sent_day": "2026-09-05"}, "size": 10, "modificationTime": 0,
            "dataChange": true, "stats": serde_json::json!({"numRecords": rows}).to_string()}}),
    ];
    lines.extend(remove.map(|path| serde_json::json!({"remove": {"path": path, "dataChange": true, "deletionTimestamp": 0}})));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

async fn put(world: &World, lake: &LakeTable, name: &str, text: impl Into<PutPayload>) {
    let place = lake.folder.clone().join("_delta_log").join(name);
    world.store.put(&place, text.into()).await.expect("a put");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_engine_committed_is_named_and_taken_back() {
    let world = base().await;
    assert!(world.undo_plan().await.tables.is_empty());
    let before = world.ask("SELECT * FROM ier ORDER BY merge_id").await;
    let hot = lake(&world, Role::Hot).await;
    let version = hot.snapshot().await.expect("a snapshot").version.expect("a version");
    let live = files(&hot).await;
    let name = |version: u64| format!("{version:020}.json");
    put(&world, &hot, &name(version + 1), foreign("part-theirs-1.parquet", 20, Some(&live[0].add.path))).await;
    put(&world, &hot, &name(version + 2), foreign("part-theirs-2.parquet", 30, None)).await;
    put(&world, &hot, &format!("{:020}.checkpoint.parquet", version + 2), "a checkpoint of theirs").await;
    put(&world, &hot, &format!("{:020}.crc", version + 2), "{}").await;
    put(&world, &hot, "_last_checkpoint", format!("{{\"version\":{},\"size\":3}}", version + 2)).await;
    let world = world.another();
    // Readers refuse, and say who it was and what to do.
    let error = world.try_ask("SELECT * FROM ier").await.expect_err("a foreign entry");
    for said in ["delta-rs:py-1.6.6", "WRITE", "2025-11-28 10:00:00 UTC", "ier verify --undo-foreign"] {
        assert!(error.kind() == Kind::Corrupt && error.to_string().contains(said), "{said} is not in: {error}");
    }
    let found = world.try_verify(None, false).await.expect("a look");
    let entries: Vec<_> = found.damages.iter().filter(|damage| damage.what.contains("delta-rs:py-1.6.6")).collect();
    assert!(entries.len() == 2 && entries.iter().all(|damage| damage.remedy.contains("--undo-foreign")), "{found}");
    let plan = world.undo_plan().await;
    let reported = plan.to_string();
    for said in ["20 rows added, 1 file taken out", &format!("goes back to version {version}")] {
        assert!(reported.contains(said), "{said} is not in: {reported}");
    }
    assert!(world.try_ask("SELECT * FROM ier").await.is_err(), "a plan changes nothing");
    let report = undo::execute(plan).await.expect("undoing");
    assert!(report.complaint().is_none() && report.undone.len() == 1, "{report}");
    let world = world.another();
    assert_eq!(world.ask("SELECT * FROM ier ORDER BY merge_id").await, before);
    assert!(world.undo_plan().await.tables.is_empty());
    all_jobs_work(&world).await;
}

/// It deleted a file, too, as a vacuum of its own does: the log is ours again, and what is gone is reported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_another_engine_deleted_are_named_and_can_be_given_up() {
    let world = base().await;
    let hot = lake(&world, Role::Hot).await;
    let version = hot.snapshot().await.expect("a snapshot").version.expect("a version");
    let gone = files(&hot).await[0].clone();
    put(&world, &hot, &format!("{:020}.json", version + 1), foreign("part-theirs.parquet", 1, Some(&gone.add.path))).await;
    lose(&world, &hot, &gone).await;
    let world = world.another();
    let plan = world.undo_plan().await;
    assert_eq!(plan.tables[0].found.missing, std::slice::from_ref(&gone.add.path).to_vec());
    assert!(plan.to_string().contains("ier verify --give-up"), "{plan}");
    let report = undo::execute(plan).await.expect("undoing");
    assert_eq!(report.complaint().expect("a complaint").kind(), Kind::Corrupt);
    let world = world.another();
    assert_eq!(world.give_up(None).await.rows(), gone.rows);
    all_jobs_work(&world).await;
}

/// Nothing of ours is ever taken back: not what stands above, not what was damaged, not a log that was never ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_ours_is_never_taken_back() {
    let world = base().await;
    let hot = lake(&world, Role::Hot).await;
    let version = hot.snapshot().await.expect("a snapshot").version.expect("a version");
    let place = |version: u64| hot.folder.clone().join("_delta_log").join(format!("{version:020}.json"));
    let newest = world.store.get(&place(version)).await.expect("an entry").bytes().await.expect("bytes");
    // Our newest loses the name of its seal.
    let text = String::from_utf8(newest.to_vec()).expect("text").replace("ier.seal", "ier.sea1");
    world.store.put(&place(version), PutPayload::from(text)).await.expect("a put");
    assert!(world.another().undo_plan().await.tables.is_empty(), "it is damaged, not foreign");
    world.store.put(&place(version), PutPayload::from(newest.clone())).await.expect("a put");
    // One of theirs below one of ours.
    world.store.put(&place(version), PutPayload::from(foreign("a.parquet", 1, None))).await.expect("a put");
    world.store.put(&place(version + 1), PutPayload::from(newest)).await.expect("a put");
    assert!(world.another().undo_plan().await.tables.is_empty(), "ours stands above");
    // A table that was never ours.
    let world = base().await;
    let folder = Path::from("reference/theirs/_delta_log/00000000000000000000.json");
    world.store.put(&folder, PutPayload::from(foreign("a.parquet", 1, None))).await.expect("a put");
    let plan = world.another().undo_plan().await;
    assert!(plan.tables[0].found.refused.is_some(), "{plan}");
    let report = undo::execute(plan).await.expect("undoing nothing");
    assert!(report.undone.is_empty() && report.complaint().is_some_and(|error| error.kind() == Kind::Corrupt), "{report}");
    assert!(world.store.head(&folder).await.is_ok(), "it is still there");
}
