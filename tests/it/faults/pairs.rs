//! Every ordered pair of jobs at once, and a reader between them, their calls to the store ordered by a seed.
//!
//! Whoever asks meanwhile sees every key once, and the rows as one of the orders of the two jobs has them at some moment; in
//! the end they are as after one job and then the other: nothing is lost, nothing comes back. A seed that fails is printed, and `IER_TEST_SEED` plays it again;
//! `IER_TEST_FAULTS=long` plays many more.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::every_call::{on_all_cores, on_one_thread, panic_text};
use super::long;
use super::scenes::{
    Job, archive_job, before_meeting, compact_job, erase_one_job, hold_job, load_more, reconcile_job, release_job,
    retain_some_job, sweep_job, vacuum_job,
};
use super::seen::Seen;
use crate::world::turns::{Dice, Turns};
use crate::world::{World, day};

/// A job by its name, how it is made, and how it changes IERs.
type Named = (&'static str, fn(&World) -> Job, Steps);

/// The jobs that meet.
const JOBS: [Named; 10] = [
    ("load", load_more, Steps::OneCommit),
    ("archive", |_| archive_job("2026-10-01"), Steps::OneCommit),
    ("compact", |_| compact_job(), Steps::OneCommit),
    ("vacuum", |_| vacuum_job(), Steps::OneCommit),
    ("erase", |_| erase_one_job(), Steps::RowByRow),
    ("retain", |_| retain_some_job(), Steps::RowByRow),
    ("hold", |_| hold_job(), Steps::OneCommit),
    ("release", |_| release_job(), Steps::OneCommit),
    ("verify", |_| sweep_job(), Steps::OneCommit),
    ("reconcile", |_| reconcile_job(), Steps::OneCommit),
];

/// How a job changes the IERs that people see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Steps {
    /// All in one commit, or not at all.
    OneCommit,
    /// In several commits: what is seen meanwhile, or comes of another job in between, is reported row by row.
    RowByRow,
}

/// Seeds a pair.
const SEEDS: u64 = 2;
const SEEDS_LONG: u64 = 400;

/// Longer than any meeting takes: the two wait for each other.
const DEADLOCK: Duration = Duration::from_secs(120);

/// What may be seen when two jobs run at once.
pub struct Pair {
    pub names: [&'static str; 2],
    steps: Steps,
    jobs: [Job; 2],
    /// Before, after either, after both in either order.
    states: [Arc<Seen>; 5],
    /// Ends that have been looked at: they need no second look.
    known: Mutex<HashMap<Vec<(String, u64)>, ()>>,
}

/// What a job makes of a world, and what is seen then.
async fn after(world: &World, job: &Job) -> (World, Arc<Seen>) {
    let after = world.fork(None);
    job(&after).await.expect("a job alone");
    let seen = Arc::new(Seen::by(&after.another()).await);
    (after, seen)
}

/// The pairs of all jobs over a warehouse.
pub async fn pairs(start: &World) -> Vec<Pair> {
    let before = Arc::new(Seen::by(&start.another()).await);
    let jobs: Vec<(&str, Job)> = JOBS.iter().map(|(name, job, _)| (*name, job(start))).collect();
    let mut alone = Vec::new();
    for (_, job) in &jobs {
        alone.push(after(start, job).await);
    }
    let mut both: HashMap<(usize, usize), Arc<Seen>> = HashMap::new();
    for (a, (world, _)) in alone.iter().enumerate() {
        for (b, (_, job)) in jobs.iter().enumerate() {
            both.insert((a, b), after(world, job).await.1);
        }
    }
    let pair = |a: usize, b: usize| Pair {
        names: [jobs[a].0, jobs[b].0],
        steps: if [JOBS[a].2, JOBS[b].2].contains(&Steps::RowByRow) { Steps::RowByRow } else { Steps::OneCommit },
        jobs: [jobs[a].1.clone(), jobs[b].1.clone()],
        states: [before.clone(), alone[a].1.clone(), alone[b].1.clone(), both[&(a, b)].clone(), both[&(b, a)].clone()],
        known: Mutex::default(),
    };
    (0..jobs.len()).flat_map(|a| (0..jobs.len()).map(move |b| (a, b))).map(|(a, b)| pair(a, b)).collect()
}

impl Pair {
    /// Runs both and a reader, their calls in the order of the seed.
    pub async fn meet(&self, world: World, seed: u64) -> Arc<Turns> {
        let turns = Turns::new(seed, &[0, 0, Dice::new(!seed).below(200)]);
        let [first, second, reader] = [0, 1, 2].map(|at| world.process(None, Some(turns.seat(at))));
        let run = async |at: usize, process: &World| {
            let done = self.jobs[at](process).await;
            turns.seat(at).leaves();
            done.unwrap_or_else(|error| panic!("{}: {error}", self.names[at]));
        };
        let read = async {
            let seen = Seen::by(&reader).await;
            turns.seat(2).leaves();
            let states = self.states.each_ref().map(|state| state.as_ref());
            seen.is_one_of(&states);
            if self.steps == Steps::OneCommit {
                seen.iers_are_one_of(&states);
            }
        };
        let all = async { tokio::join!(run(0, &first), run(1, &second), read) };
        tokio::time::timeout(DEADLOCK, all).await.expect("they wait for each other");
        let after = world.another();
        after.every_commit_is_there(&first).await;
        after.every_commit_is_there(&second).await;
        self.look(&after).await;
        turns
    }

    /// Looks at the end of a meeting, and tidies up after it.
    async fn look(&self, after: &World) {
        let objects = after.store.objects().await;
        if self.known.lock().expect("nobody panics with the lock").contains_key(&objects) {
            return;
        }
        let is_right = |seen: &Seen, when: &str| {
            let ends = [self.states[3].as_ref(), self.states[4].as_ref()];
            if self.steps == Steps::RowByRow {
                return seen.is_one_of(&ends);
            }
            let right = ends.iter().any(|end| seen.same_rows(end));
            assert!(right, "{when}: {}", seen.difference(ends[0]));
        };
        is_right(&Seen::by(after).await, "in the end");
        after.files_are_sound().await;
        after.try_archive(day("2026-10-01")).await.expect("the next archive run");
        is_right(&Seen::by(after).await, "then archived");
        after.rows_stand_where_they_belong().await;
        after.files_are_sound().await;
        after.the_books_balance().await;
        self.known.lock().expect("nobody panics with the lock").insert(objects, ());
    }
}

#[test]
fn every_pair_of_jobs_at_once() {
    let started = Instant::now();
    let start = on_one_thread(before_meeting());
    let pairs = on_one_thread(pairs(&start));
    let given = std::env::var("IER_TEST_SEED").ok().map(|seed| seed.parse::<u64>().expect("IER_TEST_SEED is a number"));
    let seeds: Vec<u64> = match given {
        Some(seed) => vec![seed],
        None => (1..=if long() { SEEDS_LONG } else { SEEDS }).collect(),
    };
    let meetings = seeds.iter().flat_map(|seed| pairs.iter().map(move |pair| (pair, *seed)));
    let meetings: Vec<(&Pair, u64)> = meetings.collect();
    let (count, failed) = (meetings.len(), Mutex::new(Vec::new()));
    on_all_cores(meetings, |(pair, seed)| {
        let met = catch_unwind(AssertUnwindSafe(|| on_one_thread(pair.meet(start.fork(None), seed))));
        if let Err(panic) = met {
            let [first, second] = pair.names;
            let text = format!("{first} beside {second}, IER_TEST_SEED={seed}: {}", panic_text(panic.as_ref()));
            failed.lock().expect("nobody panics with the lock").push(text);
        }
    });
    let mut failed = failed.into_inner().expect("nobody panicked with the lock");
    println!(
        "faults of pairs: {} pairs of jobs, {count} meetings, {} ends, {} failed, {:.1} s",
        pairs.len(),
        pairs.iter().map(|pair| pair.known.lock().expect("nobody panics with the lock").len()).sum::<usize>(),
        failed.len(),
        started.elapsed().as_secs_f64()
    );
    failed.truncate(8);
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A seed orders the calls, so that a failure comes back.
#[test]
fn a_seed_repeats_the_same_interleaving() {
    let start = on_one_thread(before_meeting());
    let pairs = on_one_thread(pairs(&start));
    let pair = pairs.iter().find(|pair| pair.names == ["load", "archive"]).expect("a pair");
    let order = |seed| -> Vec<usize> {
        on_one_thread(pair.meet(start.fork(None), seed)).calls().iter().map(|(process, _)| *process).collect()
    };
    assert_eq!(order(5), order(5));
    assert_ne!(order(5), order(6));
}

/// The reader and both jobs do meet: none waits until the others are done.
#[test]
fn the_jobs_of_a_pair_really_interleave() {
    let start = on_one_thread(before_meeting());
    let turns = Turns::new(3, &[0, 0]);
    let world = start.fork(None);
    let jobs = [load_more(&start), archive_job("2026-10-01")];
    on_one_thread(async {
        let run = async |at: usize| {
            let process: World = world.process(None, Some(turns.seat(at)));
            jobs[at](&process).await.expect("a job");
            turns.seat(at).leaves();
        };
        tokio::join!(run(0), run(1));
    });
    let calls = turns.calls();
    let changes = calls.windows(2).filter(|two| two[0].0 != two[1].0).count();
    assert!(changes > 4, "{changes} changes of turn in {} calls", calls.len());
}
