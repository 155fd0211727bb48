//! Every job, failed at every one of its calls, in every way a store can fail.
//!
//! After each failure another process looks: a reader sees each table before or after the job and nothing between, no key
//! twice; every live file is there, whole. Then the same job runs again without failure and must end where a run that never
//! failed ends.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::StreamExt;
use futures::future::BoxFuture;
use ier::error::{Error, Kind, Result};

use crate::world::records::{contact_id, ier, link};
use crate::world::store::Mode;
use crate::world::{Rows, World, day};

/// Points tried at once.
const AT_ONCE: usize = 2;

/// A job, and the warehouse it finds.
pub struct Scene {
    pub before: World,
    pub job: Job,
}

/// What a job does to a world.
pub type Job = Arc<dyn for<'a> Fn(&'a World) -> BoxFuture<'a, Result<()>> + Send + Sync>;

/// What a reader sees: IERs and links by key, without the tier; then where each row lives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    pub iers: BTreeMap<String, Rows>,
    pub links: BTreeMap<String, Rows>,
    pub tiers: Rows,
}

const IERS: &str = "SELECT merge_id, ier_id, person_id, contact_id, date_sent, sent_date, opened, number_of_unique_clicks, clicked, \
    is_deleted, system_modstamp FROM ier";
const LINKS: &str = "SELECT unique_link_id, ier_id, person_id, date_sent, sent_date, number_of_total_clicks, system_modstamp \
    FROM individual_link";
const TIERS: &str =
    "SELECT merge_id AS key, tier FROM ier UNION ALL SELECT unique_link_id, tier FROM individual_link ORDER BY 1, 2";

fn by_key(rows: Rows) -> BTreeMap<String, Rows> {
    let mut keyed: BTreeMap<String, Rows> = BTreeMap::new();
    for row in rows {
        keyed.entry(row[0].to_lowercase()).or_default().push(row);
    }
    keyed
}

impl Seen {
    pub async fn by(world: &World) -> Self {
        let seen =
            Self { iers: by_key(world.ask(IERS).await), links: by_key(world.ask(LINKS).await), tiers: world.ask(TIERS).await };
        for (key, rows) in seen.iers.iter().chain(&seen.links) {
            assert_eq!(rows.len(), 1, "{key} is shown more than once: {rows:?}");
        }
        seen
    }

    /// The same rows, wherever they live.
    pub fn same_rows(&self, other: &Self) -> bool {
        self.iers == other.iers && self.links == other.links
    }

    /// Is this a moment between two states: IERs all before or all after (they change in one commit), each link before or
    /// after (they follow their IERs in commits of their own)?
    pub fn is_between(&self, before: &Self, after: &Self) {
        if self.iers != before.iers && self.iers != after.iers {
            let odd =
                self.iers.iter().filter(|(key, rows)| after.iers.get(*key) != Some(rows) || before.iers.get(*key) != Some(rows));
            panic!("IERs are neither as before nor as after: {:?}", odd.collect::<Vec<_>>());
        }
        for (key, rows) in &self.links {
            let known = before.links.get(key) == Some(rows) || after.links.get(key) == Some(rows);
            assert!(known, "link {key} is {rows:?}, neither {:?} nor {:?}", before.links.get(key), after.links.get(key));
        }
        for key in before.links.keys() {
            assert!(self.links.contains_key(key), "link {key} is gone");
        }
    }
}

/// Old rows in the archive, young ones in hot, links among them, one that waits for its IER.
pub async fn base() -> World {
    let world = World::on("2026-11-01");
    let mut iers = Vec::new();
    let days = [
        (1..=4, "2026-06-10 08:00"),
        (5..=6, "2026-07-15 08:00"),
        (7..=9, "2026-09-05 08:00"),
        (10..=11, "2026-09-20 08:00"),
        (12..=12, "2026-09-05 08:00"),
    ];
    for (numbers, sent) in days {
        for number in numbers {
            let row = ier(number).sent(sent).stamp("2026-09-21 00:00").unopened().clicks(0, 0);
            iers.push(if number == 12 { row.set("Contact", "") } else { row.contact(number % 4) });
        }
    }
    world.load(&iers).await;
    let links = [(1, 1), (2, 7), (3, 12), (4, 99), (5, 5)];
    world.load(&links.map(|(number, of)| link(number, of).stamp("2026-09-21 00:00"))).await;
    world.archive("2026-08-01").await;
    world
}

/// A load with everything in it: new rows, changes, late ones, corrected dates, a person found, links old and new.
pub fn load_files(world: &World) -> Vec<String> {
    let row =
        |number: u32, sent: &str| ier(number).contact(number % 4).sent(sent).stamp("2026-10-30 00:00").unopened().clicks(0, 0);
    let iers = [
        row(20, "2026-10-01 08:00"),
        row(99, "2026-09-20 09:00"),
        row(7, "2026-09-05 08:00").opened("2026-10-29 10:00").clicks(2, 1),
        row(1, "2026-06-10 08:00").opened("2026-10-29 10:00"),
        row(21, "2026-06-10 09:00"),
        row(8, "2026-09-20 08:00"),
        row(5, "2026-10-01 08:00"),
        row(6, "2026-06-10 08:00"),
        row(12, "2026-09-05 08:00").contact(3),
        row(9, "2026-09-05 08:00").set("Contact", "").stamp("2026-10-31 00:00"),
        row(10, "2026-09-20 08:00").opened("2026-09-20 09:00").stamp("2026-09-20 10:00"),
        row(20, "2026-10-01 08:00"),
    ];
    let links = [link(6, 20), link(1, 1).set("NumberOfTotalClicks", "5")].map(|link| link.stamp("2026-10-30 00:00"));
    vec![world.file("ier.csv", &iers), world.file("link.csv", &links)]
}

pub fn load_job(world: &World) -> Job {
    let files = load_files(world);
    Arc::new(move |world: &World| {
        let files = files.clone();
        Box::pin(async move { world.load_files(&files).await.map(drop) })
    })
}

pub fn archive_job(until: &'static str) -> Job {
    Arc::new(move |world: &World| Box::pin(async move { world.try_archive(day(until)).await.map(drop) }))
}

pub fn compact_job() -> Job {
    Arc::new(|world: &World| Box::pin(async move { world.try_compact().await.map(drop) }))
}

/// The archive job finds late rows of several months, corrected dates, and two new months.
pub async fn before_archive() -> World {
    let world = base().await;
    load_job(&world)(&world).await.expect("the load");
    world
}

/// The compaction finds two months in several files each.
pub async fn before_compact() -> World {
    let world = before_archive().await;
    world.archive("2026-09-10").await;
    world.archive("2026-10-01").await;
    let june = ier(30).contact(2).sent("2026-06-12 08:00").stamp("2026-10-30 00:00");
    world.load(&[june]).await;
    world.archive("2026-10-01").await;
    world
}

/// One way to fail.
#[derive(Clone, Copy, Debug)]
struct Point {
    call: u64,
    mode: Mode,
}

/// What a point came to.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    points: usize,
    struck: usize,
    succeeded: usize,
}

/// A job's states before and after, and those met on the way: a state that has been looked at needs no second look.
struct States {
    before: Seen,
    after: Seen,
    known: Mutex<HashMap<Vec<(String, u64)>, Seen>>,
}

async fn try_point(scene: &Scene, point: Point, states: &States) -> Tally {
    let world = scene.before.fork(Some((point.call, point.mode)));
    let outcome = world.store.process((scene.job)(&world)).await;
    let reader = world.another();
    let objects = reader.store.objects().await;
    let known = states.known.lock().expect("nobody panics with the lock").get(&objects).cloned();
    let seen = match &known {
        Some(seen) => seen.clone(),
        None => Seen::by(&reader).await,
    };
    match &outcome {
        Some(Ok(())) => assert!(seen == states.after, "the job said it was done: {}", difference(&seen, &states.after)),
        Some(Err(error)) => {
            assert!(world.store.fault_struck(), "failed by itself: {error}");
            assert_eq!(error.kind(), Kind::Unavailable, "{error}");
        }
        None => {}
    }
    if known.is_none() {
        seen.is_between(&states.before, &states.after);
        reader.files_are_sound().await;
        (scene.job)(&reader).await.unwrap_or_else(|error: Error| panic!("the next run: {error}"));
        let again = Seen::by(&reader).await;
        assert!(again == states.after, "run again, it ends elsewhere: {}", difference(&again, &states.after));
        reader.files_are_sound().await;
        reader.rows_stand_where_they_belong().await;
        states.known.lock().expect("nobody panics with the lock").insert(objects, seen);
    }
    Tally { points: 1, struck: world.store.fault_struck().into(), succeeded: matches!(outcome, Some(Ok(()))).into() }
}

fn difference(seen: &Seen, after: &Seen) -> String {
    let rows = |seen: &Seen| -> Vec<String> {
        seen.iers.values().chain(seen.links.values()).flatten().chain(&seen.tiers).map(|row| row.join(" ")).collect()
    };
    let (seen, after) = (rows(seen), rows(after));
    let extra: Vec<&String> = seen.iter().filter(|row| !after.contains(row)).collect();
    let missing: Vec<&String> = after.iter().filter(|row| !seen.contains(row)).collect();
    format!("has {extra:#?}, lacks {missing:#?}")
}

/// Fails a job at each of its calls, in each way.
async fn at_every_call(name: &str, scene: Scene) {
    let started = Instant::now();
    let clean = scene.before.fork(None);
    let before = Seen::by(&clean.another()).await;
    (scene.job)(&clean).await.expect("a run that does not fail");
    let calls = clean.store.calls();
    let after = Seen::by(&clean.another()).await;
    let writes = calls.iter().filter(|call| call.writes()).count();
    let mut points = Vec::new();
    for mode in Mode::ALL {
        let last = if mode.concerns_writes_only() { writes } else { calls.len() };
        points.extend((1..=last as u64).map(|call| Point { call, mode }));
    }
    let scene = Arc::new(scene);
    let states = Arc::new(States { before, after, known: Mutex::default() });
    let outcomes: Vec<(Point, std::result::Result<Tally, tokio::task::JoinError>)> = futures::stream::iter(points)
        .map(|point| {
            let (scene, states) = (scene.clone(), states.clone());
            let run = tokio::spawn(async move { try_point(&scene, point, &states).await });
            async move { (point, run.await) }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut tally = Tally::default();
    let mut failed = Vec::new();
    for (point, outcome) in outcomes {
        match outcome {
            Ok(one) => {
                tally.points += one.points;
                tally.struck += one.struck;
                tally.succeeded += one.succeeded;
            }
            Err(error) => {
                let panic = error.into_panic();
                let text = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic without text".to_owned());
                failed.push(format!("{point:?}: {text}"));
            }
        }
    }
    println!(
        "{name}: {} calls ({writes} writes), {} points, {} of them struck, {} survived by the job itself, {} states, {} failed, {:.1} s",
        calls.len(),
        tally.points + failed.len(),
        tally.struck,
        tally.succeeded,
        states.known.lock().expect("nobody panics with the lock").len(),
        failed.len(),
        started.elapsed().as_secs_f64()
    );
    failed.truncate(12);
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_fails_anywhere_and_nobody_notices() {
    let before = base().await;
    let job = load_job(&before);
    at_every_call("load", Scene { before, job }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archive_fails_anywhere_and_nobody_notices() {
    at_every_call("archive", Scene { before: before_archive().await, job: archive_job("2026-10-01") }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compact_fails_anywhere_and_nobody_notices() {
    at_every_call("compact", Scene { before: before_compact().await, job: compact_job() }).await;
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
    assert!(archived.same_rows(&after), "{}", difference(&archived, &after));
    assert_eq!(world.line("SELECT count(*) FROM ier WHERE tier = 'hot'").await, "2");
    let plan = ier::jobs::compact::plan(&before_compact().await.house, &crate::world::COMPACT).await.expect("a plan");
    assert!(plan.months.len() >= 2, "{plan}");
}
