//! Retention killed at any of its writes, and beside every other job: rows and their totals go together, once, and what a hold
//! covers when it is placed stays.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use ier::error::Kind;
use ier::ledgers::holds::Scope;

use crate::faults::scenes::{Job, archive_job, compact_job};
use crate::races::{commit_to, held};
use crate::retain::rules;
use crate::world::records::{Record, contact_id, ier, link};
use crate::world::store::{Call, Mode};
use crate::world::{Rows, World, day};

/// The boundary of every archive run here.
const UNTIL: &str = "2026-08-01";

fn mail(number: u32, sent: &str) -> Record {
    ier(number).contact(number).of_send(1).sent(&format!("{sent} 08:00")).stamp("2026-11-01 00:00").unopened()
}

fn changed(number: u32, sent: &str) -> Record {
    mail(number, sent).stamp("2026-11-20 00:00").opened("2026-11-19 08:00")
}

/// Whole months that go, one with a held row, late rows of every kind, links.
pub async fn before_retain() -> World {
    let world = World::on("2026-11-22");
    let rows = [
        mail(1, "2021-01-10"),
        mail(2, "2021-01-20"),
        mail(3, "2021-02-10"),
        mail(4, "2021-02-20"),
        mail(5, "2025-02-20"),
        mail(6, "2021-03-10"),
        mail(7, "2025-03-10"),
        mail(8, "2021-04-10"),
    ];
    world.load(&rows).await;
    world.load(&[1, 4, 6].map(|number| link(number, number).stamp("2026-11-01 00:00"))).await;
    world.archive(UNTIL).await;
    let late = [changed(6, "2021-03-10"), changed(7, "2020-05-05"), changed(8, "2025-02-02"), changed(9, "2021-05-05")];
    world.load(&late).await;
    world.load(&[mail(10, "2026-11-10")]).await;
    world.load(&[6, 10].map(|number| link(number, number).stamp("2026-11-20 00:00"))).await;
    let scope = Scope { person_id: Some(contact_id(4)), ..Scope::default() };
    world.hold(scope).await;
    world
}

const LEFT: &str = "4 5 8 10 | 4 10";
const EXPIRED: &str = "6 2";

pub fn retain_job() -> Job {
    let rules = rules("years = 3");
    Arc::new(move |world: &World| {
        let rules = rules.clone();
        Box::pin(async move { world.try_retain(&rules).await.map(drop) })
    })
}

fn set(rows: Rows) -> BTreeSet<String> {
    rows.into_iter().map(|row| row.join(" ")).collect()
}

/// What a reader sees, row by row.
async fn seen(world: &World) -> BTreeSet<String> {
    world.no_key_twice().await;
    let iers = set(world.ask("SELECT merge_id, sent_date, opened FROM ier").await);
    let links = set(world.ask("SELECT unique_link_id, sent_date, person_id FROM individual_link").await);
    iers.into_iter().chain(links).collect()
}

/// Rows gone, by what is left, and by what the ledger says: IERs and links.
async fn counts(world: &World, before: &BTreeSet<String>) -> ([usize; 2], [usize; 2]) {
    let now = seen(world).await;
    let of = |rows: &BTreeSet<String>, key: &str| rows.iter().filter(|row| row.starts_with(key)).count();
    let gone = ["M-", "L-"].map(|key| of(before, key) - of(&now, key));
    let expired = world.expired().await;
    let reported: Vec<usize> = expired.split(' ').map(|number| number.parse().expect("a number")).collect();
    (gone, [reported[0], reported[1]])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scene_has_everything_in_it() {
    let world = before_retain().await;
    assert_eq!(world.left().await, "1 2 3 4 5 6 7 8 9 10 | 1 4 6 10");
    let plan = world.retain_plan(&rules("years = 3")).await;
    assert_eq!((plan.rows(), plan.held.iter().map(|held| held.rows).sum::<u64>()), (8, 2), "{plan}");
    assert!(plan.months.iter().any(|month| month.files_whole > 0 && month.tier == Some("archive")), "{plan}");
    assert!(plan.months.iter().any(|month| month.files_folded > 0 && month.tier == Some("archive")), "{plan}");
    assert!(plan.months.iter().any(|month| month.rows() > 0 && month.tier == Some("hot")), "{plan}");
    retain_job()(&world).await.expect("the retention");
    assert_eq!((world.left().await.as_str(), world.expired().await.as_str()), (LEFT, EXPIRED));
    world.archive(UNTIL).await;
    assert_eq!(world.left().await, LEFT, "nothing comes back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retain_dies_at_any_write_and_the_next_run_finishes() {
    let start = Arc::new(before_retain().await);
    let before = Arc::new(seen(&start.another()).await);
    let clean = start.fork(None);
    retain_job()(&clean).await.expect("a run that does not fail");
    let after = Arc::new(seen(&clean.another()).await);
    let writes = clean.store.calls().iter().filter(|call| call.writes()).count() as u64;
    let modes = [Mode::DoneButFailed, Mode::TimeOut, Mode::AbortAfter];
    let points: Vec<(u64, Mode)> = modes.into_iter().flat_map(|mode| (1..=writes).map(move |call| (call, mode))).collect();
    println!("retain: {writes} writes, {} points", points.len());
    let tried = futures::stream::iter(points).map(|(call, mode)| {
        let (start, before, after) = (start.clone(), before.clone(), after.clone());
        tokio::spawn(async move {
            let reported = format!("{mode:?} at write {call}");
            let world = start.fork(Some((call, mode)));
            let outcome = world.store.process(retain_job()(&world)).await;
            let reader = world.another();
            let now = seen(&reader).await;
            assert!(now.is_subset(&before) && now.is_superset(&after), "{reported}: {now:#?}");
            match &outcome {
                Some(Ok(())) => assert_eq!(now, *after, "{reported}: it said it was done"),
                Some(Err(error)) => assert_eq!(error.kind(), Kind::Unavailable, "{reported}: {error}"),
                None => {}
            }
            let (gone, expired) = counts(&reader, &before).await;
            assert!(gone[0] >= expired[0] && gone[1] >= expired[1], "{reported}: {gone:?} are gone, {expired:?} counted");
            reader.files_are_sound().await;
            retain_job()(&reader).await.unwrap_or_else(|error| panic!("{reported}, the next run: {error}"));
            assert_eq!((reader.left().await.as_str(), reader.expired().await.as_str()), (LEFT, EXPIRED), "{reported}, run again");
            reader.files_are_sound().await;
            reader.try_archive(day(UNTIL)).await.unwrap_or_else(|error| panic!("{reported}, archived: {error}"));
            assert_eq!(reader.left().await, LEFT, "{reported}, archived");
        })
    });
    for done in tried.buffer_unordered(2).collect::<Vec<_>>().await {
        done.expect("no panic");
    }
}

/// Totals put down for a removal that never came are swept, a week later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_of_a_removal_that_never_happened_are_deleted() {
    let world = before_retain().await;
    let process = world.another();
    // The first commit claims hot, the second removes.
    let (met, commits) = (AtomicUsize::new(0), commit_to("archive/individual_link"));
    let gate = process.store.hold(move |call| commits(call) && met.fetch_add(1, Ordering::SeqCst) == 1);
    let running = tokio::spawn(async move { retain_job()(&process).await });
    gate.reached().await;
    running.abort();
    assert!(running.await.is_err());
    let put_down =
        async |world: &World| world.store.objects().await.iter().filter(|(path, _)| path.starts_with("retention/")).count();
    assert_eq!(put_down(&world).await, 1);
    let next = world.another();
    retain_job()(&next).await.expect("the next run");
    assert_eq!((next.left().await.as_str(), next.expired().await.as_str(), put_down(&next).await), (LEFT, EXPIRED, 1));
    next.days_pass(8);
    retain_job()(&next).await.expect("a run a week later");
    assert_eq!((next.expired().await.as_str(), put_down(&next).await), (EXPIRED, 0));
}

/// Does a call put totals down, or commit to a table?
fn commits(call: &Call) -> bool {
    call.writes() && (call.path.contains("_delta_log") || call.path.starts_with("retention/"))
}

/// Runs `first` until it stands before its nth commit, then does `meanwhile`, then lets it go on. `None` when it makes fewer.
async fn beside<F: Future<Output = T>, T>(world: &World, first: &Job, nth: usize, meanwhile: impl FnOnce() -> F) -> Option<T> {
    let process = world.another();
    let met = AtomicUsize::new(0);
    let gate = process.store.hold(move |call| commits(call) && met.fetch_add(1, Ordering::SeqCst) == nth);
    let job = first.clone();
    let mut running = tokio::spawn(async move { job(&process).await });
    tokio::select! {
        () = gate.reached() => {}
        done = &mut running => { done.expect("no panic").expect("a run alone"); return None; }
    }
    let done = meanwhile().await;
    gate.open();
    running.await.expect("no panic").unwrap_or_else(|error| panic!("held at commit {nth}: {error}"));
    Some(done)
}

fn load_job(world: &World) -> Job {
    let rows = [
        changed(1, "2021-01-10"),
        changed(3, "2026-10-01"),
        mail(6, "2021-03-10").stamp("2026-11-21 00:00"),
        mail(11, "2026-11-11"),
    ];
    let files = vec![world.file("more.csv", &rows)];
    Arc::new(move |world: &World| {
        let files = files.clone();
        Box::pin(async move { world.load_files(&files).await.map(drop) })
    })
}

/// Retention held before each of its commits while another job runs, and each of them held while retention runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retain_beside_each_other_job() {
    let start = before_retain().await;
    // A month in two files, so that there is something to compact.
    start.load(&[changed(12, "2025-02-21")]).await;
    start.archive("2021-01-01").await;
    let left = "4 5 8 10 12 | 4 10";
    let retain = retain_job();
    let others: [(&str, Job); 4] =
        [("archive", archive_job(UNTIL)), ("compact", compact_job()), ("retain", retain.clone()), ("load", load_job(&start))];
    let mut meetings = 0;
    for (name, other) in &others {
        for (first, second, order) in [(&retain, other, "retain first"), (other, &retain, "retain second")] {
            for nth in 0.. {
                let world = start.fork(None);
                let meanwhile = || async {
                    let process = world.another();
                    second(&process).await.unwrap_or_else(|error| panic!("{name}, {order}, {nth}: the second: {error}"));
                };
                if beside(&world, first, nth, meanwhile).await.is_none() {
                    break;
                }
                meetings += 1;
                let reported = format!("{name}, {order}, held at commit {nth}");
                let after = world.another();
                after.no_key_twice().await;
                after.files_are_sound().await;
                if *name == "load" {
                    // What was loaded anew meanwhile is here again, until the next run.
                    retain(&after).await.unwrap_or_else(|error| panic!("{reported}: {error}"));
                    assert_eq!(after.left().await, "3 4 5 8 10 11 12 | 4 10", "{reported}");
                    assert_eq!(after.line("SELECT sent_date, opened FROM ier WHERE merge_id = 'M-3'").await, "2026-10-01 true");
                } else {
                    assert_eq!((after.left().await.as_str(), after.expired().await.as_str()), (left, EXPIRED), "{reported}");
                    after.archive(UNTIL).await;
                    retain(&after).await.unwrap_or_else(|error| panic!("{reported}: {error}"));
                    assert_eq!(
                        (after.left().await.as_str(), after.expired().await.as_str()),
                        (left, EXPIRED),
                        "{reported}, later"
                    );
                }
                after.rows_stand_where_they_belong().await;
                if *name != "load" {
                    let books = after.try_reconcile(false).await.expect("the books");
                    books.check().unwrap_or_else(|error| panic!("{reported}: {error}"));
                }
            }
        }
    }
    println!("retain beside others: {meetings} meetings");
}

/// An archive run that stands between its two commits, and goes on in the middle of a removal: the one would have hot forget the
/// last copy of what the other has taken out of the archive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_run_goes_on_in_the_middle_of_a_removal() {
    let start = before_retain().await;
    for table in ["hot/individual_email_result", "archive/individual_email_result"] {
        for nth in 0.. {
            let world = start.fork(None);
            let archiving = held(&world, archive_job(UNTIL), commit_to(table)).await;
            let meanwhile = || async { archiving.goes_on().await.expect("the archive run") };
            let met = beside(&world, &retain_job(), nth, meanwhile).await;
            let after = world.another();
            let reported = format!("archive held at {table}, retain at commit {nth}");
            if met.is_some() {
                assert_eq!((after.left().await.as_str(), after.expired().await.as_str()), (LEFT, EXPIRED), "{reported}");
                after.no_key_twice().await;
                after.files_are_sound().await;
            } else {
                break;
            }
        }
    }
}

/// What is there when `hold add` is done stays there, wherever a run of retention stood.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_placed_during_a_run_keeps_all_that_is_still_there() {
    let start = before_retain().await;
    let mut kept = BTreeSet::new();
    for archiving in [false, true] {
        for nth in 0.. {
            let world = start.fork(None);
            let slow = match archiving {
                true => Some(held(&world, archive_job(UNTIL), commit_to("hot/individual_email_result")).await),
                false => None,
            };
            let all = Scope { until_date: Some(day("2026-11-22")), ..Scope::default() };
            let meanwhile = || async {
                let process = world.another();
                process.hold(all).await;
                let seen = seen(&process).await;
                if let Some(slow) = slow {
                    slow.goes_on().await.expect("the archive run");
                }
                seen
            };
            let Some(then) = beside(&world, &retain_job(), nth, meanwhile).await else { break };
            let after = world.another();
            assert_eq!(seen(&after).await, then, "held before commit {nth}, an archive run beside it: {archiving}");
            kept.insert(then.len());
        }
    }
    assert!(kept.len() > 2, "holds came early, midway and late: {kept:?}");
}
