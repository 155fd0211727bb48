//! Faults: whatever fails, wherever and whenever, nothing is lost, nothing is shown twice, and running it again ends it.
//!
//! `cargo test faults` runs all of it and says how many points it tried; `IER_TEST_FAULTS=long` tries far more. A new job is
//! one more line in the table of scenes below, and one in `pairs::JOBS`.

mod deaths;

pub mod every_call;

mod kills;

mod pairs;

mod power;

mod s3;

pub mod scenes;

pub mod seen;

use futures::future::BoxFuture;

pub use self::scenes::{Job, archive_job, compact_job};
use self::scenes::{
    base, before_archive, before_checkpoint, before_compact, before_sweep, before_vacuum, first_load_job, hold_job, load_job,
    load_one_job, nothing, release_job, sweep_job, vacuum_job,
};
use self::seen::Seen;
use crate::erase;
use crate::retain_races::{before_retain, retain_job};
use crate::world::World;
use crate::world::records::contact_id;

/// A job, the warehouse it finds, and what must hold beside what always must: see [`every_call`].
pub struct Scene {
    pub name: &'static str,
    pub before: fn() -> BoxFuture<'static, World>,
    pub job: fn(&World) -> Job,
    /// The usual run tries one in so many of its points, evenly spread: for jobs that take seconds each time.
    pub one_in: usize,
    /// At every moment, after every failure.
    pub always: &'static [Invariant],
    /// When the job has been run to its end, at the first try or again after a failure.
    pub in_the_end: &'static [Invariant],
}

/// Something that must hold; it panics when it does not.
pub type Invariant = for<'a> fn(&'a Look<'a>) -> BoxFuture<'a, ()>;

/// What an invariant may look at.
pub struct Look<'a> {
    /// Another process, over what is there now.
    pub reader: &'a World,
    /// What it sees.
    pub seen: &'a Seen,
    /// What was seen before the job.
    pub before: &'a Seen,
    /// What is seen after it.
    pub after: &'a Seen,
}

/// The scenes, and a test for each.
macro_rules! scenes {
    ($($name:ident: $before:expr, $job:expr, one in $one_in:literal, always $always:expr, in the end $end:expr;)*) => {
        const SCENES: &[Scene] = &[$(Scene {
            name: stringify!($name),
            before: || Box::pin($before()),
            job: $job,
            one_in: $one_in,
            always: &$always,
            in_the_end: &$end,
        }),*];
        mod at_every_call_of {
            $(#[test] fn $name() { super::every_call::run(stringify!($name)); })*
        }
    };
}

scenes! {
    first_load: nothing, first_load_job, one in 1, always [iers_change_at_once], in the end [];
    load: base, load_job, one in 1, always [iers_change_at_once], in the end [];
    archive: before_archive, |_| archive_job("2026-10-01"), one in 1, always [no_row_changes], in the end [];
    checkpoint: before_checkpoint, load_one_job, one in 1, always [iers_change_at_once], in the end [];
    compact: before_compact, |_| compact_job(), one in 1, always [no_row_changes], in the end [];
    vacuum: before_vacuum, |_| vacuum_job(), one in 1, always [nothing_changes], in the end [nothing_is_left_to_sweep];
    erase: erase::prepared, |_| erase::erase_job(), one in 10, always [], in the end [the_erased_are_gone];
    retain: before_retain, |_| retain_job(), one in 2, always [the_held_are_there], in the end [];
    hold: base, |_| hold_job(), one in 1, always [nothing_changes], in the end [it_is_held_once];
    release: before_compact, |_| release_job(), one in 1, always [nothing_changes], in the end [every_archived_id_is_given_out_once];
    sweep: before_sweep, |_| sweep_job(), one in 1, always [nothing_changes], in the end [nothing_is_left_to_sweep];
}

/// Does the long run, when `IER_TEST_FAULTS=long` says so.
pub fn long() -> bool {
    std::env::var("IER_TEST_FAULTS").is_ok_and(|length| length == "long")
}

/// The IERs are all as before or all as after: one commit changes them.
fn iers_change_at_once<'a>(look: &'a Look<'a>) -> BoxFuture<'a, ()> {
    Box::pin(async move { look.seen.iers_are_one_of(&[look.before, look.after]) })
}

/// No object holds anything of the person erased, and no table shows it.
fn the_erased_are_gone<'a>(look: &'a Look<'a>) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        erase::is_gone(look.reader).await;
        assert_eq!(erase::traces(look.reader).await, Vec::<String>::new());
    })
}

/// Rows that a hold covers are there, however old.
fn the_held_are_there<'a>(look: &'a Look<'a>) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        assert_eq!(look.seen.iers.get("m-4"), look.before.iers.get("m-4"));
        assert_eq!(look.seen.links.get("l-4"), look.before.links.get("l-4"));
    })
}

/// One hold stands, however often it was tried.
fn it_is_held_once<'a>(look: &'a Look<'a>) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        let list = ier::jobs::hold::list(&look.reader.warehouse, false).await.expect("the holds");
        let held: Vec<_> = list.holds.iter().map(|hold| hold.scope.person_id.clone()).collect();
        assert_eq!(held, [Some(contact_id(3))]);
    })
}

/// The ledger has every archived id, each once.
fn every_archived_id_is_given_out_once<'a>(look: &'a Look<'a>) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        let given = look.reader.ask("SELECT record_id FROM released ORDER BY 1").await;
        assert_eq!(given, look.reader.ask("SELECT ier_id FROM ier WHERE tier = 'archive' ORDER BY 1").await);
    })
}

/// The job moves rows, and changes none.
fn no_row_changes<'a>(look: &'a Look<'a>) -> BoxFuture<'a, ()> {
    Box::pin(async move { assert!(look.seen.same_rows(look.before), "{}", look.seen.difference(look.before)) })
}

/// The job does not even move rows.
fn nothing_changes<'a>(look: &'a Look<'a>) -> BoxFuture<'a, ()> {
    Box::pin(async move { assert!(look.seen == look.before, "{}", look.seen.difference(look.before)) })
}

/// Every file that might go is gone.
fn nothing_is_left_to_sweep<'a>(look: &'a Look<'a>) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        let retain = chrono::Duration::hours(scenes::RETAIN_HOURS);
        let plan = ier::jobs::vacuum::plan(&look.reader.warehouse, retain).await.expect("a plan");
        assert!(plan.tables.is_empty(), "{plan}");
    })
}

/// The scenes are what they claim to be; else the faults above prove little.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scenes_have_everything_in_them() {
    let world = base().await;
    let archived = "SELECT count(*) FILTER (WHERE tier = 'archive'), count(*) FROM";
    assert_eq!(world.line(&format!("{archived} ier")).await, "6 12");
    assert_eq!(world.line(&format!("{archived} individual_link")).await, "2 5");
    assert_eq!(
        world.line("SELECT count(*) FROM individual_link WHERE sent_date IS NULL").await,
        "1",
        "one link waits for its IER"
    );
    let before = Seen::by(&world).await;
    load_job(&world)(&world).await.expect("the load");
    let after = Seen::by(&world).await;
    assert_eq!(after.iers.len(), 15);
    assert_eq!(world.line("SELECT count(*) FROM ier WHERE tier = 'hot' AND sent_date < '2026-08-01'").await, "3", "late rows");
    let home = |seen: &Seen, key: &str| (seen.links[key][0][2].clone(), seen.links[key][0][4].clone());
    assert_eq!(home(&before, "l-3"), ("-".to_owned(), "2026-09-05".to_owned()));
    assert_eq!(home(&after, "l-3"), (contact_id(3), "2026-09-05".to_owned()), "a link follows its IER's person");
    assert_eq!(home(&after, "l-5").1, "2026-10-01", "a link follows its IER's date");
    assert_eq!(home(&after, "l-4").1, "2026-09-20", "a link finds its IER");
    assert_eq!(after.iers["m-9"][0][3], contact_id(1), "a null erases no contact");
    assert_eq!(after.iers["m-10"][0][6], "false", "an older version changes nothing");
    world.archive("2026-10-01").await;
    let archived = Seen::by(&world).await;
    assert!(archived.same_rows(&after), "{}", archived.difference(&after));
    assert_eq!(world.line("SELECT count(*) FROM ier WHERE tier = 'hot'").await, "2");
    let plan = ier::jobs::compact::plan(&before_compact().await.warehouse, &crate::world::COMPACT).await.expect("a plan");
    assert!(plan.months.len() >= 2, "{plan}");
    let swept = before_vacuum().await;
    let (all, old) = (chrono::Duration::hours(0), chrono::Duration::hours(scenes::RETAIN_HOURS));
    let plan = async |retain| ier::jobs::vacuum::plan(&swept.warehouse, retain).await.expect("a plan");
    let files = async |retain| plan(retain).await.tables.iter().map(|table| table.files).sum::<u64>();
    let (all, old) = (files(all).await, files(old).await);
    assert!(old >= 10 && all > old, "{old} of {all} files go");
    let full = before_checkpoint().await;
    load_one_job(&full)(&full).await.expect("the load");
    let checkpoints =
        full.store.calls().iter().filter(|call| call.writes() && call.path.ends_with(".checkpoint.parquet")).count();
    assert!(checkpoints > 0, "no checkpoint was written");
    let first = nothing().await;
    first_load_job(&first)(&first).await.expect("the first load");
    assert_eq!(first.line("SELECT count(*) FROM person_alias").await, "2");
    assert_eq!(first.line("SELECT count(*) FROM load_coverage").await, "3");
}
