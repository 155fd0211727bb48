//! Ids given out for deletion: only of records whose archived copy was read back, each once, and none lost by a crash.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ier::error::{Kind, Result};
use ier::jobs::release::{ReleaseReport, ReleaseRequest, Skipped, execute, plan};
use ier::lake::paths::Role;
use ier::ledgers::runs::{FinishedRun, Report, recorded};
use object_store::ObjectStoreExt;
use object_store::path::Path as Place;
use tempfile::TempDir;

use crate::world::records::{Record, id, ier, ier_id, link};
use crate::world::store::{Call, Mode};
use crate::world::{World, silent};

const ALL: [u32; 6] = [1, 2, 3, 4, 5, 6];

/// Three IERs of May, three of June, one still hot; links of the first two.
async fn world() -> World {
    let world = World::on("2026-11-01");
    let row = |number: u32, sent: &str| ier(number).contact(number).sent(sent).stamp("2026-07-01 00:00").unopened();
    let may = [1, 2, 3].map(|number| row(number, "2026-05-06 08:00"));
    let june = [4, 5, 6].map(|number| row(number, "2026-06-06 08:00"));
    let hot = [row(7, "2026-10-20 08:00")];
    world.load(&[&may[..], &june, &hot].concat()).await;
    world.load(&[1, 2].map(|number| link(number, number).stamp("2026-07-01 00:00"))).await;
    world.archive("2026-08-01").await;
    world
}

fn request(folder: &TempDir, name: &str) -> ReleaseRequest {
    ReleaseRequest {
        object: "individual_email_result".to_owned(),
        older_than_days: None,
        limit: None,
        again: None,
        out: folder.path().join(name),
    }
}

async fn release(world: &World, request: ReleaseRequest) -> Result<FinishedRun<ReleaseReport>> {
    let warehouse = &world.warehouse;
    let work = |run_id| async { execute(warehouse, plan(warehouse, request).await?, run_id, silent()).await };
    recorded(warehouse, "release", "ann", work).await
}

async fn released(world: &World, request: ReleaseRequest) -> ReleaseReport {
    let ended = release(world, request).await.unwrap();
    assert!(ended.unrecorded.is_none(), "{:?}", ended.unrecorded);
    assert_eq!(ended.run_id, ended.report.release_id);
    ended.report
}

fn list(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    assert_eq!(lines.next().as_deref(), Some("Id"));
    lines.collect()
}

fn ids(numbers: &[u32]) -> Vec<String> {
    numbers.iter().map(|number| ier_id(*number)).collect()
}

async fn remembered(world: &World) -> Vec<String> {
    world.ask("SELECT record_id FROM released ORDER BY 1").await.into_iter().flatten().collect()
}

/// The archive's files of IERs.
async fn files(world: &World) -> Vec<Place> {
    let table = ier::record::fields::known("individual_email_result").unwrap();
    let lake = world.warehouse.table(Role::Archive, table).await.unwrap();
    lake.snapshot().await.unwrap().files().map(|file| file.path(&lake.folder)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_archived_is_given_out_once() {
    let (world, folder) = (world().await, TempDir::new().unwrap());
    let reported = plan(&world.warehouse, request(&folder, "a.csv")).await.unwrap();
    assert_eq!((reported.files, reported.rows, reported.given_out), (2, 6, 0));
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "a plan writes nothing");
    let report = released(&world, request(&folder, "a.csv")).await;
    assert_eq!((report.ids, report.files_verified, report.bytes_verified), (6, 2, reported.bytes));
    assert_eq!(report.lists, [folder.path().join("a.csv")]);
    assert_eq!(list(&report.lists[0]), ids(&ALL));
    assert_eq!(remembered(&world).await, ids(&ALL));
    let row = "SELECT DISTINCT object, released_at, release_id FROM released";
    let expected = format!("individual_email_result 2026-11-01T12:00:00Z {}", report.release_id);
    assert_eq!(world.line(row).await, expected);

    // Again: nothing. A list that is there is not written over.
    let refused = release(&world, request(&folder, "a.csv")).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid);
    let second = released(&world, request(&folder, "b.csv")).await;
    assert_eq!((second.ids, second.skipped.given_out, &second.lists[..]), (0, 6, &[][..]));
    assert!(!folder.path().join("b.csv").exists());
    // What is archived later comes then, also after the files were rewritten.
    world.load(&[ier(8).contact(8).sent("2026-05-07 08:00").stamp("2026-07-01 00:00")]).await;
    world.archive("2026-08-01").await;
    world.compact().await;
    let third = released(&world, request(&folder, "c.csv")).await;
    assert_eq!((list(&third.lists[0]), third.skipped.given_out), (ids(&[8]), 6));
    // Links have ids of their own.
    let links = ReleaseRequest { object: "individual_link".to_owned(), ..request(&folder, "links.csv") };
    assert_eq!(list(&released(&world, links.clone()).await.lists[0]), [id("a0E", 1), id("a0E", 2)]);
    let other = ReleaseRequest { object: "contact".to_owned(), ..links };
    assert_eq!(release(&world, other).await.unwrap_err().kind(), Kind::Invalid);
    let runs = "SELECT outcome, rows FROM job_run WHERE job = 'release' AND outcome <> 'failed' ORDER BY rows";
    assert_eq!(world.ask(runs).await, [["nothing", "0"], ["done", "1"], ["done", "2"], ["done", "6"]]);
    world.files_are_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_can_be_written_again() {
    let (world, folder) = (world().await, TempDir::new().unwrap());
    let limited = |limit, name| ReleaseRequest { limit: Some(limit), ..request(&folder, name) };
    let first = released(&world, limited(2, "a.csv")).await;
    let second = released(&world, limited(3, "b.csv")).await;
    assert_eq!((list(&first.lists[0]), list(&second.lists[0])), (ids(&[1, 2]), ids(&[3, 4, 5])));
    let again = |run: &str, name| ReleaseRequest { again: Some(run.to_owned()), ..request(&folder, name) };
    let report = released(&world, again(&second.release_id, "c.csv")).await;
    assert_eq!(list(&report.lists[0]), ids(&[3, 4, 5]));
    assert_eq!((report.ids, report.skipped.not_archived, remembered(&world).await.len()), (3, 0, 5));
    assert_eq!(report.unfinished, Vec::<String>::new());
    // Also this is proved anew: what is damaged by now is not in it.
    let june = files(&world).await[1].clone();
    flip(&world, &june, 1000).await;
    let ended = release(&world, again(&second.release_id, "d.csv")).await.unwrap();
    assert_eq!((list(&ended.report.lists[0]), ended.report.skipped.not_archived), (ids(&[3]), 2));
    assert_eq!(ended.report.complaint().unwrap().kind(), Kind::Corrupt);
    let unknown = release(&world, again("5b0c", "e.csv")).await.unwrap_err();
    assert_eq!(unknown.kind(), Kind::NotFound);
    assert_eq!(release(&world, limited(0, "e.csv")).await.unwrap_err().kind(), Kind::Invalid);
}

async fn flip(world: &World, place: &Place, at: usize) {
    let mut bytes = world.store.get(place).await.unwrap().bytes().await.unwrap().to_vec();
    let at = at % bytes.len();
    bytes[at] ^= 0x10;
    world.store.put(place, bytes.into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_id_is_given_out_whose_copy_is_damaged() {
    let before = world().await;
    let may = files(&before).await[0].clone();
    let whole = before.store.get(&may).await.unwrap().bytes().await.unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let (world, folder) = (before.fork(None), TempDir::new().unwrap());
        flip(&world, &may, at).await;
        let ended = release(&world, request(&folder, "a.csv")).await.unwrap();
        let report = ended.report;
        assert_eq!(list(&report.lists[0]), ids(&[4, 5, 6]), "byte {at}");
        assert_eq!(report.damaged.len(), 1, "byte {at}");
        assert_eq!((report.damaged[0].path.as_str(), report.damaged[0].rows), (may.as_ref(), 3));
        let complaint = report.complaint().unwrap();
        assert!(complaint.kind() == Kind::Corrupt && complaint.to_string().contains(may.as_ref()), "{complaint}");
        assert!(report.to_string().contains("DAMAGED"));
        assert_eq!(world.line("SELECT outcome, rows FROM job_run WHERE job = 'release'").await, "failed 3");
        assert_eq!(remembered(&world).await, ids(&[4, 5, 6]));
        world.store.put(&may, whole.clone().into()).await.unwrap();
        assert_eq!(list(&released(&world, request(&folder, "b.csv")).await.lists[0]), ids(&[1, 2, 3]));
    }
    // Cut short, grown, gone.
    for bytes in [Some(whole.slice(..whole.len() - 1)), Some([&whole[..], b"x"].concat().into()), None] {
        let (world, folder) = (before.fork(None), TempDir::new().unwrap());
        match bytes {
            Some(bytes) => drop(world.store.put(&may, bytes.into()).await.unwrap()),
            None => world.store.delete(&may).await.unwrap(),
        }
        let report = release(&world, request(&folder, "a.csv")).await.unwrap().report;
        assert_eq!((list(&report.lists[0]), report.damaged.len()), (ids(&[4, 5, 6]), 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_newer_in_hot_deleted_or_young_is_left_out() {
    let (world, folder) = (world().await, TempDir::new().unwrap());
    let changed = |number: u32, sent: &str| ier(number).contact(number).sent(sent).stamp("2026-10-30 00:00");
    let rows: [Record; 3] = [
        changed(1, "2026-05-06 08:00").opened("2026-10-29 10:00"),
        // Its date was moved past the boundary.
        changed(2, "2026-10-02 08:00"),
        changed(3, "2026-05-06 08:00").set("IsDeleted", "true"),
    ];
    world.load(&rows).await;
    let first = released(&world, ReleaseRequest { older_than_days: Some(160), ..request(&folder, "a.csv") }).await;
    assert_eq!((first.ids, &first.lists[..]), (0, &[][..]));
    assert_eq!(first.skipped, Skipped { newer_in_hot: 3, too_young: 3, ..Skipped::default() });
    world.archive("2026-08-01").await;
    let second = released(&world, request(&folder, "a.csv")).await;
    assert_eq!(list(&second.lists[0]), ids(&[1, 4, 5, 6]));
    assert_eq!(second.skipped, Skipped { deleted: 1, ..Skipped::default() });
}

/// The commit of the ledger of ids given out.
fn ledger_commit(call: &Call) -> bool {
    call.what == "put new" && call.path.starts_with("reference/released/_delta_log")
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_once_each_id_is_in_one_list() {
    let (world, folder) = (world().await, TempDir::new().unwrap());
    let slow = world.another();
    let gate = slow.store.hold(ledger_commit);
    let wanted = request(&folder, "slow.csv");
    let running = tokio::spawn(async move { released(&slow, wanted).await });
    gate.reached().await;
    let fast = released(&world, ReleaseRequest { limit: Some(4), ..request(&folder, "fast.csv") }).await;
    gate.open();
    let slow = running.await.unwrap();
    assert_eq!((list(&fast.lists[0]), list(&slow.lists[0])), (ids(&[1, 2, 3, 4]), ids(&[5, 6])));
    assert_eq!((slow.ids, slow.skipped.given_out), (2, 4));
    assert_eq!(remembered(&world.another()).await, ids(&ALL));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_compacted_and_swept_meanwhile_waits_for_the_next_run() {
    let (world, folder) = (world().await, TempDir::new().unwrap());
    world.load(&[ier(8).contact(8).sent("2026-05-07 08:00").stamp("2026-07-01 00:00")]).await;
    world.archive("2026-08-01").await;
    let slow = world.another();
    let gate = slow.store.hold(|call| call.what == "get" && call.path.contains("sent_month=2026-05-01"));
    let wanted = request(&folder, "slow.csv");
    let running = tokio::spawn(async move { released(&slow, wanted).await });
    gate.reached().await;
    world.clock.tick(chrono::Duration::hours(1));
    assert_eq!(world.compact().await.months, 1);
    world.clock.tick(chrono::Duration::hours(1));
    assert!(world.vacuum(0).await.files > 0);
    gate.open();
    let slow = running.await.unwrap();
    assert_eq!((list(&slow.lists[0]), slow.damaged.len(), slow.files_replaced), (ids(&[4, 5, 6]), 0, 2));
    assert_eq!(list(&released(&world, request(&folder, "b.csv")).await.lists[0]), ids(&[1, 2, 3, 8]));
}

/// Whatever happens to a run: no id in two lists, every id in one, after the next run and `--again`.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_anywhere_loses_no_id_and_gives_none_out_twice() {
    let before = world().await;
    let (clean, folder) = (before.fork(None), TempDir::new().unwrap());
    released(&clean, request(&folder, "clean.csv")).await;
    let calls = clean.store.calls();
    let (mut handed, mut recovered) = (0, 0);
    for mode in Mode::ALL {
        let last = if mode.concerns_writes_only() { calls.iter().filter(|call| call.writes()).count() } else { calls.len() };
        for call in 1..=last as u64 {
            let world = before.fork(Some((call, mode)));
            let folder = TempDir::new().unwrap();
            let ended = world.store.process(release(&world, request(&folder, "a.csv"))).await;
            let next = world.another();
            let mut lists: Vec<PathBuf> = Vec::new();
            if folder.path().join("a.csv").exists() {
                lists.push(folder.path().join("a.csv"));
                handed += 1;
                assert_eq!(remembered(&next).await, list(&lists[0]), "handed out and not remembered: {mode:?} at {call}");
            }
            if let Some(Ok(ended)) = &ended {
                assert_eq!(ended.report.lists, lists, "{mode:?} at {call}");
            }
            let report = released(&next, request(&folder, "b.csv")).await;
            lists.extend(report.lists.clone());
            for run in &report.unfinished {
                // A run whose row could not be written handed out its list all the same.
                if folder.path().join("a.csv").exists() {
                    continue;
                }
                let again = ReleaseRequest { again: Some(run.clone()), ..request(&folder, "c.csv") };
                let report = released(&next, again).await;
                recovered += 1;
                lists.extend(report.lists);
                let reported = plan(&next.warehouse, request(&folder, "d.csv")).await.unwrap();
                assert_eq!(reported.unfinished, Vec::<String>::new(), "handed out by now: {mode:?} at {call}");
            }
            let all: Vec<String> = lists.iter().flat_map(|path| list(path)).collect();
            let once: BTreeSet<String> = all.iter().cloned().collect();
            assert_eq!(all.len(), once.len(), "an id twice: {mode:?} at {call}");
            assert_eq!(once.into_iter().collect::<Vec<_>>(), ids(&ALL), "{mode:?} at {call}");
        }
    }
    assert!(handed > 0 && recovered > 0, "{handed} handed out, {recovered} recovered");
}
