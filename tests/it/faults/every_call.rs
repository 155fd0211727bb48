//! Each scene's job, failed at every one of its calls, in every way a store can fail.
//!
//! After each failure another process looks: every row is as before the job or as after it, no key is there twice; every live
//! file is there, whole; every commit that was reported to the job is there; the books of rows taken in and given up balance; and what
//! the scene says holds. Then the same job runs again without failure and must end where a run that never failed ends.
//!
//! A process that is killed leaves the store as it is, so the killed ones need no runs of their own: one run shows how the
//! store stood before and after each call. A read that fails differs from one that times out, or that is done and reported
//! failed, by nothing the job could know, and when it makes no further call, an error for ever is an error once. The long run
//! tries all of these all the same, and stops the killed ones by dropping them where they stand.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;

use ier::error::{Error, Kind};

use super::scenes::Job;
use super::seen::Seen;
use super::{Look, SCENES, Scene, long};
use crate::world::World;
use crate::world::store::{Mode, Moment};

/// A scene that has been played once without failure.
pub struct Played {
    scene: &'static Scene,
    /// The warehouse before the job.
    pub world: World,
    pub job: Job,
    before: Seen,
    after: Seen,
    /// States that have been looked at: they need no second look.
    known: Mutex<HashMap<Vec<(String, u64)>, Seen>>,
}

/// What to try next.
enum Try {
    /// A call that fails, in all ways but those of [`Try::Killed`]; in the usual run of a slow job, one way in so many.
    Call { number: u64, writes: bool, one_in: usize },
    /// The process is killed.
    Killed(Vec<Moment>),
}

#[derive(Default)]
struct Tally {
    runs: usize,
    killed: usize,
    /// Errors for ever that are the same as the error once.
    same: usize,
    survived: usize,
    failed: Vec<String>,
}

/// Calls that read of which each is tried; of more, so many of them, evenly spread.
const READS: usize = 100;

/// Moments at which a run is killed of which each is tried; of more, so many of them, evenly spread.
const KILLS: usize = 225;

/// Panics are tried at one in so many calls: what they leave behind is what an error at the same call leaves, or a kill.
const PANICS: usize = 10;

/// Plays a scene of the table.
pub fn run(name: &str) {
    let started = Instant::now();
    let (played, clean) = on_one_thread(play(name));
    let (calls, moments) = (calls(&clean), clean.store.moments());
    let writes = calls.iter().filter(|(_, writes)| *writes).count();
    let one_in = if long() { 1 } else { played.scene.one_in };
    let every = if long() { 1 } else { (calls.len() - writes).div_ceil(READS).max(1) };
    let tried = calls.iter().filter(|(number, writes)| *writes || (*number as usize).is_multiple_of(every));
    let mut tries: Vec<Try> = tried.map(|(number, writes)| Try::Call { number: *number, writes: *writes, one_in }).collect();
    let every = if long() { 1 } else { moments.len().div_ceil(KILLS / one_in).max(1) };
    let killed: Vec<_> = moments.into_iter().step_by(every).collect();
    tries.extend(killed.chunks(16).map(|moments| Try::Killed(moments.to_vec())));
    let tally = Mutex::new(Tally::default());
    on_all_cores(tries, |next| next.go(&played, &tally));
    let mut tally = tally.into_inner().expect("nobody panicked with the lock");
    println!(
        "faults in {name}: {} calls ({writes} writes), {} points tried ({} runs, {} kills; {} more are the same as another), \
         {} survived by the job itself, {} states, {} failed, {:.1} s",
        calls.len(),
        tally.runs + tally.killed,
        tally.runs,
        tally.killed,
        tally.same,
        tally.survived,
        played.states(),
        tally.failed.len(),
        started.elapsed().as_secs_f64()
    );
    tally.failed.truncate(12);
    assert!(tally.failed.is_empty(), "{}", tally.failed.join("\n"));
}

/// A runtime of its own, so that calls come in the same order every time.
pub fn on_one_thread<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work)
}

/// What a test that panicked has to say.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without text".to_owned())
}

/// Does these pieces of work on all cores, each on one.
pub fn on_all_cores<T: Send>(work: impl IntoIterator<Item = T>, each: impl Fn(T) + Sync) {
    let work = Mutex::new(work.into_iter().collect::<VecDeque<T>>());
    let next = || work.lock().expect("nobody panics with the lock").pop_front();
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            threads.spawn(|| {
                while let Some(next) = next() {
                    each(next);
                }
            });
        }
    });
}

/// Runs the job of a scene once without failure, and remembers what the store looked like meanwhile.
pub async fn play(name: &str) -> (Played, World) {
    let scene = SCENES.iter().find(|scene| scene.name == name).expect("a scene of the table");
    let world = (scene.before)().await;
    let job = (scene.job)(&world);
    let before = Seen::by(&world.another()).await;
    let clean = world.with(world.store.watched(world.clock.clone()));
    job(&clean).await.expect("a run that does not fail");
    let after = Seen::by(&clean.another()).await;
    (Played { scene, world, job, before, after, known: Mutex::default() }, clean)
}

/// The calls of a process by number, and whether each writes.
pub fn calls(process: &World) -> Vec<(u64, bool)> {
    (1..).zip(process.store.calls()).map(|(number, call)| (number, call.writes())).collect()
}

impl Try {
    fn go(self, played: &Played, tally: &Mutex<Tally>) {
        let point = |what: String, try_it: &mut dyn FnMut() -> bool| {
            let outcome = catch_unwind(AssertUnwindSafe(try_it));
            let mut tally = tally.lock().expect("nobody panics with the lock");
            match outcome {
                Ok(survived) => tally.survived += usize::from(survived),
                Err(panic) => tally.failed.push(format!("{what}: {}", panic_text(panic.as_ref()))),
            }
        };
        match self {
            Self::Call { number, writes, one_in } => {
                let mut alone = false;
                for (place, mode) in Mode::ALL.into_iter().chain(Mode::PANICS).enumerate() {
                    if !(number as usize + place).is_multiple_of(one_in) {
                        continue;
                    }
                    let killed = matches!(mode, Mode::AbortBefore | Mode::AbortAfter);
                    if !long() && (killed || (mode.concerns_writes_only() && !writes)) {
                        continue;
                    }
                    if !long() && mode.panics() && !(number as usize + place).is_multiple_of(PANICS) {
                        continue;
                    }
                    if !long() && mode == Mode::ErrorForEver && alone {
                        tally.lock().expect("nobody panics with the lock").same += 1;
                        continue;
                    }
                    tally.lock().expect("nobody panics with the lock").runs += 1;
                    point(format!("call {number}, {mode:?}"), &mut || {
                        let (survived, calls) = on_one_thread(played.fail(number, mode));
                        alone |= mode == Mode::ErrorOnce && calls == number;
                        survived
                    });
                }
            }
            Self::Killed(moments) => {
                for moment in moments {
                    tally.lock().expect("nobody panics with the lock").killed += 1;
                    let when = if moment.after { "after" } else { "before" };
                    point(format!("killed {when} call {}", moment.call), &mut || {
                        let reader = played.world.with(played.world.store.at(&moment));
                        on_one_thread(played.look(&reader));
                        false
                    });
                }
            }
        }
    }
}

impl Played {
    /// Fails one call. Did the job survive it, and how many calls did it make?
    async fn fail(&self, call: u64, mode: Mode) -> (bool, u64) {
        let world = self.world.fork(None).process(Some((call, mode)), None);
        let survived = self.run_in(&world).await;
        (survived, world.store.calls().len() as u64)
    }

    /// Runs the job where something fails, and looks at what it leaves. Did the job survive?
    pub async fn run_in(&self, world: &World) -> bool {
        let outcome = world.store.process((self.job)(world)).await;
        let reader = world.another();
        reader.every_commit_is_there(world).await;
        let seen = self.look(&reader).await;
        match &outcome {
            // Also where something died: what delta-rs reads when a commit has landed may, since we look for the commit ourselves.
            Some(Ok(())) => assert!(seen == self.after, "the job said it was done: {}", seen.difference(&self.after)),
            Some(Err(error)) => {
                assert!(world.store.fault_struck(), "failed by itself: {error}");
                // What delta-rs does on threads of its own is not always reported as dead.
                let died = world.store.panics() && error.kind() == Kind::Internal;
                assert!(died || error.kind() == Kind::Unavailable, "{error}");
            }
            None => {}
        }
        matches!(outcome, Some(Ok(())))
    }

    /// How many different states were looked at.
    pub fn states(&self) -> usize {
        self.known.lock().expect("nobody panics with the lock").len()
    }

    /// Looks at what is there, and runs the job again.
    pub async fn look(&self, reader: &World) -> Seen {
        let objects = reader.store.objects().await;
        let known = self.known.lock().expect("nobody panics with the lock").get(&objects).cloned();
        if let Some(seen) = known {
            return seen;
        }
        let seen = Seen::by(reader).await;
        let Self { before, after, .. } = self;
        seen.is_one_of(&[before, after]);
        reader.files_are_sound().await;
        reader.the_books_balance().await;
        for holds in self.scene.always {
            holds(&Look { reader, seen: &seen, before, after }).await;
        }
        (self.job)(reader).await.unwrap_or_else(|error: Error| panic!("the next run: {error}"));
        let again = Seen::by(reader).await;
        assert!(again == self.after, "run again, it ends elsewhere: {}", again.difference(&self.after));
        reader.files_are_sound().await;
        reader.rows_stand_where_they_belong().await;
        reader.the_books_balance().await;
        for holds in self.scene.always.iter().chain(self.scene.in_the_end) {
            holds(&Look { reader, seen: &again, before, after }).await;
        }
        self.known.lock().expect("nobody panics with the lock").insert(objects, seen.clone());
        seen
    }
}
