//! The lease of a warehouse, and the schedulers that hold it: of all of them one works, whatever happens to it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use futures::FutureExt;
use futures::future::join_all;
use ier::clock::Clock;
use ier::error::{Error, Kind, Result};
use ier::jobs::scheduler::{Event, JOBS, JobContext, JobResult, Memory, Removal, Scheduled, Scheduler};
use ier::ledgers::lease::{Attempt, Candidate, Lease, Newest, Terms, newest};
use ier::ledgers::runs::Outcome;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tempfile::TempDir;

use crate::fixture::data;
use crate::world::records::ier;
use crate::world::store::{Call, Mode};
use crate::world::{COMPACT, World};

fn candidate(world: &World, name: &str) -> Candidate {
    Candidate::new(&world.warehouse, name, Terms::default())
}

fn ours(attempt: Result<Attempt>) -> Lease {
    match attempt.unwrap() {
        Attempt::Ours(lease) => lease,
        Attempt::Held(by) => panic!("held: {by:?}"),
    }
}

fn held(attempt: Result<Attempt>) -> Newest {
    match attempt.unwrap() {
        Attempt::Ours(lease) => panic!("taken: {lease:?}"),
        Attempt::Held(by) => by,
    }
}

fn seconds_pass(world: &World, seconds: i64) {
    world.clock.tick(TimeDelta::seconds(seconds));
}

async fn top(world: &World) -> Newest {
    newest(&world.another().warehouse, Terms::default()).await.unwrap().unwrap()
}

async fn entries(world: &World) -> usize {
    world.store.objects().await.iter().filter(|(path, _)| path.starts_with("lease/")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_try_at_once_one_takes_it() {
    let world = World::on("2026-11-01");
    let worlds: Vec<World> = (0..12).map(|_| world.another()).collect();
    let mut others: Vec<Candidate> = worlds.iter().map(|world| candidate(world, "somebody")).collect();
    let attempts = join_all(others.iter_mut().map(Candidate::take)).await;
    let taken = attempts.into_iter().filter(|attempt| matches!(attempt, Ok(Attempt::Ours(_)))).count();
    assert_eq!(taken, 1);
    assert_eq!((top(&world).await.number, entries(&world).await), (1, 1));
    // It is no warehouse yet, and no vacuum sweeps it.
    assert!(!world.warehouse.exists().await.unwrap());
    world.days_pass(30);
    world.vacuum(0).await;
    assert_eq!(entries(&world).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_renewed_is_nobody_elses() {
    let world = World::on("2026-11-01");
    let mut lease = ours(candidate(&world, "a").take().await);
    let mut watcher = candidate(&world, "b");
    for number in 2..60 {
        seconds_pass(&world, 20);
        lease.renew().await.unwrap();
        assert_eq!(held(watcher.take().await).number, number);
        // Nor somebody's who has just come.
        assert_eq!(held(candidate(&world, "c").take().await).holder(), Some("a"));
    }
    assert_eq!(lease.term(), 1);
    assert!(entries(&world).await <= 10, "old entries are swept");
    lease.release().await.unwrap();
    let lease = ours(watcher.take().await);
    assert_eq!(lease.term(), 61, "at once, under a greater number");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_not_renewed_is_taken_over_and_stays_lost() {
    let world = World::on("2026-11-01");
    let mut lease = ours(candidate(&world, "a").take().await);
    let (mut watcher, mut late) = (candidate(&world, "b"), candidate(&world, "c"));
    held(watcher.take().await);
    seconds_pass(&world, 60);
    held(watcher.take().await);
    seconds_pass(&world, 1);
    // Who has just come trusts no clock to the second.
    held(candidate(&world, "d").take().await);
    let mut second = ours(watcher.take().await);
    assert_eq!(second.term(), 2);
    assert_eq!(lease.renew().await.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(lease.renew().await.unwrap_err().kind(), Kind::Conflict, "and again");
    second.renew().await.unwrap();
    // Both die; somebody comes later.
    seconds_pass(&world, 120);
    held(late.take().await);
    seconds_pass(&world, 1);
    assert_eq!(ours(candidate(&world, "d").take().await).term(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_slept_while_numbers_were_swept_has_lost_all_the_same() {
    let world = World::on("2026-11-01");
    let mut sleeper = ours(candidate(&world, "a").take().await);
    let mut watcher = candidate(&world, "b");
    held(watcher.take().await);
    seconds_pass(&world, 61);
    let mut lease = ours(watcher.take().await);
    for _ in 0..20 {
        lease.renew().await.unwrap();
    }
    world.store.get(&Path::from("lease/00000000000000000002.json")).await.unwrap_err();
    assert_eq!(sleeper.renew().await.unwrap_err().kind(), Kind::Conflict, "its next number is free again");
    lease.renew().await.unwrap();
    let (number, before) = (top(&world).await.number, entries(&world).await);
    sleeper.release().await.unwrap();
    assert_eq!((top(&world).await.number, top(&world).await.holder()), (number, Some("b")), "it has nothing to give back");
    lease.renew().await.unwrap();
    assert!(entries(&world).await <= before + 1, "what it left is swept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_entry_blocks_nobody_for_long() {
    let world = World::on("2026-11-01");
    let mut lease = ours(candidate(&world, "a").take().await);
    world.store.put(&Path::from("lease/00000000000000000002.json"), "{\"num".into()).await.unwrap();
    assert_eq!(lease.renew().await.unwrap_err().kind(), Kind::Conflict);
    let mut watcher = candidate(&world, "b");
    assert_eq!(held(watcher.take().await).holder(), Some("somebody whose entry cannot be read"));
    seconds_pass(&world, 61);
    assert_eq!(ours(watcher.take().await).term(), 3);
}

fn put_of(number: u64) -> impl Fn(&Call) -> bool + Send + Sync {
    move |call: &Call| call.what == "put new" && call.path == format!("lease/{number:020}.json")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_on_its_way_and_a_take_over_never_both_succeed() {
    // The holder's renewal is on its way when its time is over.
    let world = World::on("2026-11-01");
    let slow = world.another();
    let mut lease = ours(candidate(&slow, "a").take().await);
    let mut watcher = candidate(&world, "b");
    held(watcher.take().await);
    let gate = slow.store.hold(put_of(2));
    let renewing = tokio::spawn(async move { lease.renew().await });
    gate.reached().await;
    seconds_pass(&world, 61);
    let mut taken = ours(watcher.take().await);
    gate.open();
    assert_eq!(renewing.await.unwrap().unwrap_err().kind(), Kind::Conflict);
    taken.renew().await.unwrap();

    // The other's take-over is on its way when the holder wakes up.
    let world = World::on("2026-11-01");
    let slow = world.another();
    let mut lease = ours(candidate(&world, "a").take().await);
    let mut watcher = candidate(&slow, "b");
    held(watcher.take().await);
    seconds_pass(&world, 61);
    let gate = slow.store.hold(put_of(2));
    let taking = tokio::spawn(async move { watcher.take().await });
    gate.reached().await;
    lease.renew().await.unwrap();
    gate.open();
    assert_eq!(held(taking.await.unwrap()).holder(), Some("a"));
    lease.renew().await.unwrap();
}

/// Whatever becomes of any call of a spell of work: nobody else has the lease while its holder has reason to think it is
/// theirs, and in the end somebody else gets it.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_call_fails_never_two_hold_it_and_never_nobody_for_ever() {
    let before = World::on("2026-11-01");
    before.load(&[ier(1).sent("2026-10-20 08:00")]).await;
    let clean = before.fork(None);
    spell(&clean, &mut None).await.unwrap();
    let calls = clean.store.calls();
    assert!(calls.len() > 8, "{calls:?}");
    let mut held_after = 0;
    for mode in Mode::ALL {
        let last = if mode.concerns_writes_only() { calls.iter().filter(|call| call.writes()).count() } else { calls.len() };
        for call in 1..=last as u64 {
            let world = before.fork(Some((call, mode)));
            let mut mine: Option<Lease> = None;
            let ended = world.store.process(spell(&world, &mut mine)).await;
            let other = world.another();
            let mut watcher = candidate(&other, "b");
            let first = watcher.take().await.unwrap();
            let thinks_so = mine.is_some() && !matches!(&ended, Some(Err(error)) if error.kind() == Kind::Conflict);
            if thinks_so {
                assert!(matches!(first, Attempt::Held(_)), "{mode:?} at {call}: two hold it");
                held_after += 1;
            }
            let taken = match first {
                Attempt::Ours(lease) => lease,
                Attempt::Held(_) => {
                    seconds_pass(&other, 61);
                    ours(watcher.take().await)
                }
            };
            if let Some(mut lost) = mine {
                assert!(lost.renew().await.is_err(), "{mode:?} at {call}: it is the other's");
            }
            let mut taken = taken;
            taken.renew().await.unwrap();
            assert!(taken.term() >= 1);
        }
    }
    assert!(held_after > 0);
}

/// A spell of work: takes the lease, renews it twice, gives it back. `mine` is what the holder has at each moment.
async fn spell(world: &World, mine: &mut Option<Lease>) -> Result<()> {
    let Attempt::Ours(lease) = candidate(world, "a").take().await? else { return Err(Error::internal("nobody else is there")) };
    let lease = mine.insert(lease);
    lease.renew().await?;
    lease.renew().await?;
    match mine.take() {
        Some(lease) => lease.release().await,
        None => Ok(()),
    }
}

/// Short, for tests that wait.
fn short() -> Terms {
    let millis = Duration::from_millis;
    Terms { ttl: millis(600), renew: millis(100), retry: millis(10), skew: millis(600) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_who_cannot_renew_stops_in_time() {
    let world = World::on("2026-11-01");
    let mut lease = ours(Candidate::new(&world.warehouse, "a", short()).take().await);
    tokio::time::timeout(Duration::from_millis(1500), lease.keep()).await.expect_err("it is renewed again and again");
    lease.release().await.unwrap();
    let calls = world.store.calls().len() as u64;
    assert!(calls > 20, "{calls} calls");
    // A store that stops answering after the lease was taken.
    let world = World::on("2026-11-01").fork(Some((4, Mode::ErrorForEver)));
    let mut lease = ours(Candidate::new(&world.warehouse, "a", short()).take().await);
    let lost = tokio::time::timeout(Duration::from_millis(600), lease.keep()).await.unwrap();
    assert_eq!(lost.kind(), Kind::Conflict);
    assert!(lost.to_string().contains("did not answer"), "{lost}");
}

/// How many jobs are at work now, how many have begun and ended.
struct Work {
    now: AtomicU32,
    begun: AtomicU32,
    ended: AtomicU32,
    dropped: AtomicU32,
    overlap: AtomicU32,
}

impl Work {
    const fn new() -> Self {
        Self {
            now: AtomicU32::new(0),
            begun: AtomicU32::new(0),
            ended: AtomicU32::new(0),
            dropped: AtomicU32::new(0),
            overlap: AtomicU32::new(0),
        }
    }

    async fn job(&'static self, lasts: Duration) -> Result<JobResult> {
        struct Here(&'static Work, bool);
        impl Drop for Here {
            fn drop(&mut self) {
                self.0.now.fetch_sub(1, Ordering::SeqCst);
                if !self.1 {
                    self.0.dropped.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        self.begun.fetch_add(1, Ordering::SeqCst);
        if self.now.fetch_add(1, Ordering::SeqCst) > 0 {
            self.overlap.fetch_add(1, Ordering::SeqCst);
        }
        let mut here = Here(self, false);
        tokio::time::sleep(lasts).await;
        here.1 = true;
        self.ended.fetch_add(1, Ordering::SeqCst);
        Ok(JobResult { outcome: Outcome::Nothing, rows: 0, summary: "worked".to_owned(), complaint: None, unrecorded: None })
    }
}

pub fn scheduler(world: &World, name: &str, schedule: &str, jobs: &'static [Scheduled]) -> Scheduler {
    let context = JobContext {
        warehouse: world.warehouse.clone(),
        who: "ann".to_owned(),
        archive_older_than_days: 90,
        compact: COMPACT,
        limits: Default::default(),
        look_up_key: None,
        retain: Default::default(),
    };
    Scheduler {
        context,
        schedules: jobs.iter().map(|job| (job.name.to_owned(), schedule.parse().unwrap())).collect(),
        zone: chrono_tz::America::Denver,
        confirm: jobs.iter().map(|job| job.name.to_owned()).collect(),
        jobs,
        holder: name.to_owned(),
        terms: short(),
        look: Duration::from_millis(20),
        metrics_file: None,
        memory: Memory::default(),
    }
}

/// Runs a scheduler until the task is aborted: a process that can be killed. What it says is kept.
fn process(scheduler: Scheduler) -> (tokio::task::JoinHandle<Result<()>>, Arc<Mutex<Vec<Event>>>) {
    let reported: Arc<Mutex<Vec<Event>>> = Arc::default();
    let telling = reported.clone();
    let running = tokio::spawn(async move {
        let tell = move |event: &Event| {
            telling.lock().unwrap().push(event.clone());
            Ok(())
        };
        scheduler.run_until(std::future::pending(), &tell).await
    });
    (running, reported)
}

async fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..1500 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to pass that {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_schedulers_never_both_work_and_one_follows_the_other() {
    static WORK: Work = Work::new();
    const TRY: &[Scheduled] = &[Scheduled { name: "try", destroys: None, work: |_| WORK.job(Duration::from_millis(30)).boxed() }];
    let world = World::on("2026-11-01");
    let (first, second) = (world.another(), world.another());
    let (a, reported_a) = process(scheduler(&first, "a", "every 1m", TRY));
    until("a works", || WORK.ended.load(Ordering::SeqCst) > 0).await;
    let (b, reported_b) = process(scheduler(&second, "b", "every 1m", TRY));
    let waiting =
        |reported: &Mutex<Vec<Event>>| reported.lock().unwrap().iter().any(|event| matches!(event, Event::Waiting { .. }));
    until("b waits", || waiting(&reported_b)).await;
    // A minute passes now and then: less than the lease's time each, as the watcher's clock sees it.
    let ended = WORK.ended.load(Ordering::SeqCst);
    until("a has worked for some minutes", || {
        world.clock.tick(TimeDelta::milliseconds(400));
        WORK.ended.load(Ordering::SeqCst) > ended + 2
    })
    .await;
    assert!(!reported_b.lock().unwrap().iter().any(|event| matches!(event, Event::Took { .. })), "b never had it");
    // It dies, at any point of its work; the other follows.
    a.abort();
    drop(a.await);
    let begun = WORK.begun.load(Ordering::SeqCst);
    until("b works", || {
        world.clock.tick(TimeDelta::milliseconds(400));
        WORK.begun.load(Ordering::SeqCst) > begun + 1
    })
    .await;
    b.abort();
    drop(b.await);
    assert_eq!(WORK.overlap.load(Ordering::SeqCst), 0, "both worked at once");
    assert!(matches!(reported_a.lock().unwrap()[0], Event::Took { term: 1 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_is_dropped_when_the_lease_is_lost_and_told_to_stop_gives_it_back() {
    static WORK: Work = Work::new();
    const LONG: &[Scheduled] =
        &[Scheduled { name: "long", destroys: None, work: |_| WORK.job(Duration::from_secs(600)).boxed() }];
    let world = World::on("2026-11-01");
    let (first, second) = (world.another(), world.another());
    let (a, reported) = process(scheduler(&first, "a", "every 1m", LONG));
    until("a works", || WORK.now.load(Ordering::SeqCst) == 1).await;
    let mut thief = Candidate::new(&second.warehouse, "thief", short());
    let lease = loop {
        seconds_pass(&world, 2);
        if let Attempt::Ours(lease) = thief.take().await.unwrap() {
            break lease;
        }
    };
    until("a has stopped", || WORK.dropped.load(Ordering::SeqCst) == 1).await;
    let lost = |reported: &Mutex<Vec<Event>>| reported.lock().unwrap().iter().any(|event| matches!(event, Event::Lost { .. }));
    until("a says so", || lost(&reported)).await;
    assert_eq!(world.another().ask("SELECT * FROM job_run").await.len(), 0, "what was dropped has no row");
    a.abort();
    drop(a.await);
    lease.release().await.unwrap();

    // Told to stop in the middle of a job: the lease is free at once.
    let third = world.another();
    let scheduler = scheduler(&third, "c", "every 1m", LONG);
    let stop = async {
        until("c works", || WORK.now.load(Ordering::SeqCst) == 1).await;
        Error::interrupted("stop")
    };
    scheduler.run_until(stop, &|_| Ok(())).await.unwrap();
    assert_eq!(WORK.now.load(Ordering::SeqCst), 0);
    ours(Candidate::new(&world.another().warehouse, "d", short()).take().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_fail_wait_and_jobs_that_destroy_want_to_be_confirmed() {
    static TRIES: AtomicU32 = AtomicU32::new(0);
    const BAD: &[Scheduled] = &[
        Scheduled {
            name: "bad",
            destroys: None,
            work: |_| {
                TRIES.fetch_add(1, Ordering::SeqCst);
                async { Err(Error::corrupt("a file is damaged")) }.boxed()
            },
        },
        Scheduled {
            name: "worse",
            destroys: Some(|_| async { Ok(Removal::default()) }.boxed()),
            work: |_| async { Err(Error::internal("it was not confirmed")) }.boxed(),
        },
    ];
    let world = World::on("2026-11-01");
    let scheduler = Scheduler { confirm: Default::default(), ..scheduler(&world, "a", "daily at 02:00", BAD) };
    let reported = scheduler.plan().await.unwrap();
    assert_eq!(
        reported.to_string(),
        "no scheduler is at work\nbad never ran, due (daily at 02:00)\n\
         worse never ran, waits for run.confirm = [\"worse\"] (daily at 02:00)\n  now it would remove nothing"
    );
    let never = std::future::pending;
    let report = scheduler.once(never()).await.unwrap();
    assert_eq!((report.ran.len(), report.error.unwrap().kind()), (1, Kind::Corrupt));
    // The ledger was not written here; the scheduler remembers all the same.
    assert!(scheduler.once(never()).await.unwrap().ran.is_empty());
    seconds_pass(&world, 15 * 60);
    assert_eq!(scheduler.once(never()).await.unwrap().ran.len(), 1);
    seconds_pass(&world, 15 * 60);
    assert!(scheduler.once(never()).await.unwrap().ran.is_empty(), "twice as long the second time");
    assert_eq!(TRIES.load(Ordering::SeqCst), 2);
    // While somebody else is at work nothing is done.
    let lease = ours(Candidate::new(&world.another().warehouse, "b", short()).take().await);
    let report = scheduler.once(never()).await.unwrap();
    assert_eq!(report.held_by.as_deref(), Some("b"));
    assert_eq!(report.to_string(), "nothing done: b is at work");
    drop(lease);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_the_table_do_their_work_and_figures_are_written() {
    let world = World::on("2026-11-01");
    world.load(&[ier(1).sent("2026-05-06 08:00"), ier(2).sent("2026-10-20 08:00")]).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ier.prom");
    let scheduler = Scheduler { metrics_file: Some(file.clone()), ..scheduler(&world, "a", "daily at 02:00", JOBS) };
    let report = scheduler.once(std::future::pending()).await.unwrap();
    let ran: BTreeMap<&str, Outcome> = report.ran.iter().map(|ran| (ran.job, ran.outcome)).collect();
    assert!(JOBS.iter().all(|job| ran.contains_key(job.name)), "{ran:?}");
    assert_eq!((ran["archive"], ran["compact"], ran["vacuum"]), (Outcome::Done, Outcome::Nothing, Outcome::Nothing));
    assert!(report.error.is_none());
    assert_eq!(world.line("SELECT tier FROM ier WHERE merge_id = 'M-1'").await, "archive");
    assert!(scheduler.once(std::future::pending()).await.unwrap().ran.is_empty());
    // Another process knows from the ledger.
    let other = world.another();
    let next = Scheduler {
        memory: Memory::default(),
        context: JobContext { warehouse: other.warehouse.clone(), ..scheduler.context.clone() },
        ..scheduler
    };
    assert!(next.plan().await.unwrap().jobs.iter().all(|job| !job.due));
    let now = world.clock.now().timestamp();
    let reported = std::fs::read_to_string(&file).unwrap();
    for line in [
        "# TYPE ier_rows gauge",
        "ier_rows{table=\"individual_email_result\",tier=\"archive\"} 1",
        "ier_rows{table=\"individual_email_result\",tier=\"hot\"} 1",
        "ier_late_rows{table=\"individual_email_result\",tier=\"hot\"} 0",
        &format!("ier_job_last_success_timestamp_seconds{{job=\"archive\"}} {now}"),
        "ier_job_last_rows{job=\"archive\"} 1",
        "ier_job_last_failed{job=\"vacuum\"} 0",
        "ier_hot_oldest_timestamp_seconds{table=\"individual_email_result\"} 1792454400",
        "ier_lease_held{holder=\"a\"} 1",
    ] {
        assert!(reported.lines().any(|reported| reported == line), "{line} is not in\n{reported}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

struct Room(TempDir);

impl Room {
    fn filled() -> Self {
        let room = Self(TempDir::new().unwrap());
        assert!(room.command(&["load", data().to_str().unwrap()]).output().unwrap().status.success());
        room
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ier"));
        command.args(words).current_dir(self.0.path()).env_clear().env("HOME", self.0.path()).env("USER", "tester");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn out(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn two_processes_at_once_do_each_job_once() {
    let room = Room::filled();
    let reported = room.out(&["run", "--dry-run"]);
    assert!(reported.starts_with("no scheduler is at work\narchive never ran, due"), "{reported}");
    let both = [(); 2].map(|()| room.command(&["run", "--once"]).spawn().unwrap());
    for one in both.map(|one| one.wait_with_output().unwrap()) {
        assert!(one.status.success(), "{}", text(&one));
    }
    let runs = room.out(&["sql", "-F", "csv", "SELECT job, count(*) FROM job_run GROUP BY 1 ORDER BY 1"]);
    assert_eq!(runs, "job,count\narchive,1\ncompact,1\nload,1\nreconcile,1\nverify,1\n");
    let reported = room.out(&["run", "--once"]);
    assert!(
        reported.starts_with("nothing is due\n") && reported.contains("vacuum never ran, waits for run.confirm = [\"vacuum\"]"),
        "{reported}"
    );
    let figures = room.out(&["status", "--metrics"]);
    assert!(
        figures.contains("ier_lease_held{holder=\"nobody\"} 0") && figures.contains("ier_job_last_rows{job=\"archive\"}"),
        "{figures}"
    );
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
#[cfg(unix)]
fn a_service_works_says_so_and_stops_when_told() {
    use std::io::BufRead;
    let room = Room::filled();
    let mut service = room.command(&["run", "--json"]).spawn().unwrap();
    let mut lines = std::io::BufReader::new(service.stdout.take().unwrap()).lines();
    let mut events = Vec::new();
    while events.last().is_none_or(|event| event != "health") {
        let line: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert!(line["at"].is_string());
        events.push(line["event"].as_str().unwrap().to_owned());
    }
    let jobs = ["archive", "compact", "verify", "reconcile"].iter().flat_map(|_| ["began", "ended"]);
    let expected: Vec<&str> = std::iter::once("took").chain(jobs).chain(["health"]).collect();
    assert_eq!(events, expected, "nothing that destroys runs unconfirmed");
    assert!(room.out(&["run", "--once"]).starts_with("nothing done: tester"), "it is at work");
    let pid = service.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(rest.last().unwrap().contains("\"stopped\""), "{rest:?}");
    assert!(service.wait().unwrap().success());
    assert!(room.out(&["run", "--dry-run"]).starts_with("no scheduler is at work\n"), "the lease was given back");
}
