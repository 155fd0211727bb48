//! Bytes that rot. Every kind of object is damaged at random places, from seeds, behind the engine's back; then another process
//! asks and loads. Each question gives the answer it gave before or an error of kind corrupt that names what is damaged; a load
//! ends where it would have ended, or fails in the same way; nothing panics; and `ier verify` names the damaged object.
//!
//! `IER_TEST_MUTATIONS` says how many damages to try in all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow::compute::concat_batches;
use bytes::Bytes;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::{StreamExt, TryStreamExt};
use ier::error::{Error, Kind};
use ier::lake::log::root::Root;
use ier::lake::log::snapshot::DataFile;
use ier::lake::log::table::LakeTable;
use ier::lake::log::tally::{self, Tally};
use ier::lake::read::placed;
use ier::lake::read::scan;
use ier::lake::read::tier::Tier;
use ier::lake::{columns, read};
use ier::ledgers::lookups::{Entry, LookUpLog};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::verify::{look_at_some, sound, with_checkpoint};
use crate::world::records::{contact_id, ier, ier_id};
use crate::world::{Rows, World};

/// Damages tried unless told otherwise.
const MUTATIONS: usize = 2_400;

/// Damages tried at once.
const AT_ONCE: usize = 2;

/// A small generator of numbers (SplitMix64): the same seed gives the same damage.
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound.max(1) as u64) as usize
    }
}

/// Damages some bytes in one of the ways storage does; what was done. Never gives the same bytes back.
fn damage(bytes: &[u8], dice: &mut Dice) -> (String, Vec<u8>) {
    loop {
        let mut rotten = bytes.to_vec();
        let at = dice.below(bytes.len());
        let what = match dice.below(10) {
            0..=4 => {
                let bit = dice.below(8);
                rotten[at] ^= 1 << bit;
                format!("bit {bit} of byte {at} flipped")
            }
            5 => {
                rotten[at] = dice.roll() as u8;
                format!("byte {at} replaced")
            }
            6 => {
                rotten.truncate(at);
                format!("cut to {at} bytes")
            }
            7 => {
                let end = (at + 1 + dice.below(64)).min(bytes.len());
                rotten[at..end].fill(0);
                format!("bytes {at} to {end} zeroed")
            }
            8 => {
                let other = dice.below(bytes.len());
                rotten.swap(at, other);
                format!("bytes {at} and {other} exchanged")
            }
            _ => {
                let more = 1 + dice.below(16);
                rotten.extend((0..more).map(|_| dice.roll() as u8));
                format!("{more} bytes appended")
            }
        };
        if rotten != bytes {
            return (what, rotten);
        }
    }
}

/// What kind of object it is.
fn kind_of(path: &str) -> &'static str {
    match path {
        path if path.contains("checkpoint.parquet") => "checkpoint",
        path if path.ends_with("_last_checkpoint") => "last checkpoint",
        path if path.contains("_delta_log") => "log entry",
        path if path.contains("/_tally/") => "tally",
        path if path.starts_with("lookups/") => "look-up",
        path if path.starts_with("hot/") => "hot file",
        path if path.starts_with("archive/") => "archive file",
        _ => "reference file",
    }
}

/// Questions that read every column of every row, by every way there is.
fn questions() -> Vec<String> {
    let everything = ["ier", "individual_link", "email_send", "contact", "person_alias", "load_coverage"]
        .map(|table| format!("SELECT * FROM {table}"));
    let mut questions = everything.to_vec();
    questions.push(format!("SELECT * FROM ier WHERE person_id = '{}'", contact_id(1)));
    questions.push(format!("SELECT merge_id, opened, subject_line FROM ier WHERE ier_id = '{}'", ier_id(7)));
    questions.push("SELECT sent_date, count(*), count(opened) FROM ier WHERE date_sent >= '2026-09-01' GROUP BY 1".to_owned());
    questions.push("SELECT * FROM ier WHERE hard_bounce OR date_unsubscribed IS NOT NULL".to_owned());
    questions.push("SELECT min(person_id), max(person_id), count(*), min(sent_date) FROM ier".to_owned());
    questions
}

/// The answers of a process of its own; rows in a fixed order.
async fn answers(world: &World) -> Vec<Result<Rows, Error>> {
    let mut answers = Vec::new();
    for question in questions() {
        let answer = match world.try_ask(&question).await {
            // Look-ups alone make no warehouse, and whoever asks there is refused.
            Err(error) if error.kind() == Kind::NotFound && !world.warehouse.exists().await.unwrap_or(true) => Ok(Rows::new()),
            answer => answer,
        };
        answers.push(answer.map(|mut rows| {
            rows.sort();
            rows
        }));
    }
    answers
}

/// A load that finds rows in both tiers, changes some, and adds some.
fn upsert(world: &World) -> String {
    let row = |number: u32, sent: &str| ier(number).contact(number % 4).sent(sent).stamp("2026-11-01 00:00").clicks(3, 2);
    let rows = [row(2, "2026-06-10 08:00"), row(8, "2026-09-20 08:00"), row(11, "2026-09-20 08:00"), row(50, "2026-10-20 08:00")];
    world.file("upsert.csv", &rows)
}

struct Scene {
    before: World,
    objects: Vec<Object>,
    expected: Vec<Rows>,
    after: Vec<Rows>,
    upsert: String,
}

/// An object that may rot, and what is seen of it while it is whole.
struct Object {
    place: Path,
    bytes: Bytes,
    seen: Seen,
}

/// What one object tells whoever looks at it alone.
enum Seen {
    Tally(Arc<LakeTable>, Tally),
    File(Arc<LakeTable>, Arc<DataFile>, Vec<RecordBatch>),
    Log(Arc<LakeTable>, String),
    LookUps(Vec<Entry>),
}

/// The objects of a world that are not empty, and not swept long ago.
async fn objects(world: &World) -> Vec<Object> {
    let mut seen = BTreeMap::new();
    let root = root(world);
    for lake in world.warehouse.existing().await.expect("tables") {
        let state = state_of(&lake).await.expect("a snapshot");
        for file in lake.snapshot().await.expect("a snapshot").files() {
            let own = Arc::new(LakeTable::new(&root, lake.role, lake.table.clone()).expect("a table"));
            let batches = look(&own, file).await.expect("a file");
            seen.insert(file.path(&lake.folder), Seen::File(lake.clone(), file.clone(), batches));
        }
        let snapshot = lake.snapshot().await.expect("a snapshot");
        if let Some(place) = tally::live(&lake, &snapshot).await.expect("a tally") {
            let counts = tally::read(&lake, &snapshot).await.expect("a tally");
            seen.insert(place, Seen::Tally(lake.clone(), counts));
        }
        let log: Vec<_> = world.store.list(Some(&lake.folder.clone().join("_delta_log"))).try_collect().await.expect("a log");
        for object in log {
            seen.insert(object.location, Seen::Log(lake.clone(), state.clone()));
        }
    }
    let entries = look_ups(world).await.expect("the log of look-ups");
    let log: Vec<_> = world.store.list(Some(&Path::from("lookups"))).try_collect().await.expect("a log");
    for object in log {
        seen.insert(object.location, Seen::LookUps(entries.clone()));
    }
    let mut objects = Vec::new();
    for (place, seen) in seen {
        let bytes = world.store.get(&place).await.expect("an object").bytes().await.expect("bytes");
        objects.push(Object { place, bytes, seen });
    }
    objects
}

/// Another process's view of the same store.
fn root(world: &World) -> Root {
    Root::open("memory:///", &BTreeMap::new()).expect("memory is always there").with_store(world.store.process_of(
        world.clock.clone(),
        None,
        None,
    ))
}

/// All a table's newest snapshot says.
async fn state_of(lake: &LakeTable) -> Result<String, Error> {
    let snapshot = lake.snapshot().await?;
    let mut transactions: Vec<_> = snapshot.transactions.iter().collect();
    transactions.sort();
    let files: Vec<_> = snapshot
        .files()
        .map(|file| {
            let tags: BTreeMap<_, _> = file.add.tags.iter().flatten().collect();
            format!("{} {} {:?} {:?} {tags:?}", file.add.path, file.add.size, file.add.partition_values, file.add.stats)
        })
        .collect();
    Ok(format!("{:?} {transactions:?} {:?} {}", snapshot.version, snapshot.columns, files.join("\n")))
}

/// All entries of the log of look-ups; an error when it is damaged.
async fn look_ups(world: &World) -> Result<Vec<Entry>, Error> {
    let log = LookUpLog::open(&world.warehouse, "ann", None).await?;
    let mut entries = Vec::new();
    let report = log.read(|entry| entries.push(entry)).await?;
    match report.damage {
        None if report.other_keys > 0 => Err(Error::corrupt("another key")),
        None => Ok(entries),
        Some(damage) => Err(Error::corrupt(damage.to_string())),
    }
}

/// A file's rows, read by each of the ways there are: for folding, by key, by person, and for SQL, all and the rare ones.
async fn look(lake: &Arc<LakeTable>, file: &Arc<DataFile>) -> Result<Vec<RecordBatch>, Error> {
    let schema = lake.table.lake_schema();
    let open = read::open(lake, file).await?;
    let rows: Vec<RecordBatch> = open.stream(None, None)?.try_collect().await?;
    let rows = concat_batches(&schema, &rows)?;
    let keys: Vec<String> = columns::keys(&rows)?.iter().flatten().map(str::to_owned).collect();
    let absent: Vec<String> = (0..20).map(|number| format!("absent-{number}")).collect();
    let found = open.find_keys(&keys.iter().chain(&absent).map(String::as_str).collect()).await?;
    let places: UInt32Array = found.iter().map(|(place, _)| *place).collect();
    let texts: StringArray = found.iter().map(|(_, key)| Some(key.as_str())).collect();
    let found = RecordBatch::try_from_iter([("place", Arc::new(places) as ArrayRef), ("key", Arc::new(texts) as ArrayRef)])?;
    let mut looks = vec![rows, found];
    if lake.table.tiered {
        let of_people = placed::of_people(lake, Tier::new("hot"), file, &[contact_id(1), contact_id(3)]).await?;
        looks.push(of_people.rows);
    }
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    let url = datafusion::execution::object_store::ObjectStoreUrl::parse(scan::STORE)?;
    context.register_object_store(url.as_ref(), lake.store.clone());
    let all: Vec<usize> = (0..columns::schema(&lake.table).fields().len()).collect();
    for rare in [false, true] {
        let tier = Tier { rare, ..Tier::new("hot") };
        let plan = scan::plan(lake, tier, std::slice::from_ref(file), &all, &[], &context.state())?;
        let scanned = datafusion::physical_plan::collect(plan, context.task_ctx()).await?;
        looks.push(concat_batches(&columns::schema(&lake.table), &scanned)?);
    }
    Ok(looks)
}

impl Object {
    /// Looks at the object alone, in a world in which it is damaged; was it refused?
    async fn is_refused(&self, what: &str, world: &World) -> Result<bool, String> {
        let outcome = match &self.seen {
            Seen::File(lake, file, rows) => {
                let own = LakeTable::new(&root(world), lake.role, lake.table.clone()).map_err(|error| error.to_string())?;
                look(&Arc::new(own), file).await.map(|found| found == *rows)
            }
            Seen::Tally(lake, counts) => {
                let own = LakeTable::new(&root(world), lake.role, lake.table.clone()).map_err(|error| error.to_string())?;
                async { tally::read(&own, &*own.snapshot().await?).await }.await.map(|found| found == *counts)
            }
            Seen::Log(lake, state) => {
                let own = LakeTable::new(&root(world), lake.role, lake.table.clone()).map_err(|error| error.to_string())?;
                state_of(&own).await.map(|found| found == *state)
            }
            Seen::LookUps(entries) => {
                return match look_ups(&world.another()).await {
                    Ok(found) if found == *entries => Ok(false),
                    Ok(found) => Err(format!("{what}: the log of look-ups has {found:?}")),
                    Err(error) if error.kind() == Kind::Corrupt => Ok(true),
                    Err(error) => Err(format!("{what}: {:?}, {error}", error.kind())),
                };
            }
        };
        match outcome {
            Ok(true) => Ok(false),
            Ok(false) => Err(format!("{what}: its answer is not what it was")),
            Err(error) => is_named(what, &self.place, &error).map(|()| true),
        }
    }
}

impl Scene {
    async fn new(before: World) -> Self {
        let upsert = upsert(&before);
        let expected = answers(&before.fork(None)).await.into_iter().map(|answer| answer.expect("an answer")).collect();
        let loaded = before.fork(None);
        loaded.load_files(std::slice::from_ref(&upsert)).await.expect("the load");
        let after = answers(&loaded.another()).await.into_iter().map(|answer| answer.expect("an answer")).collect();
        let objects = objects(&before).await;
        Self { before, objects, expected, after, upsert }
    }

    /// Places of the objects of these kinds.
    fn of_kinds(&self, kinds: &[&str]) -> Vec<usize> {
        let is_one = |at: &usize| kinds.contains(&kind_of(self.objects[*at].place.as_ref()));
        (0..self.objects.len()).filter(is_one).collect()
    }
}

/// What became of damages of one kind of object.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    tried: usize,
    refused: usize,
    asked: usize,
    loads_refused: usize,
}

/// The answers are those expected, or errors that name the damage.
fn hold(what: &str, place: &Path, answers: &[Result<Rows, Error>], expected: &[Rows]) -> Result<(), String> {
    for ((answer, expected), question) in answers.iter().zip(expected).zip(questions()) {
        match answer {
            Ok(rows) if rows == expected => {}
            Ok(rows) => return Err(format!("{what}: {question} gives {rows:?} instead of {expected:?}")),
            Err(error) => is_named(what, place, error)?,
        }
    }
    Ok(())
}

fn is_named(what: &str, place: &Path, error: &Error) -> Result<(), String> {
    let name = place.filename().unwrap_or_default();
    if error.kind() == Kind::Corrupt && error.to_string().contains(name) {
        return Ok(());
    }
    Err(format!("{what}: is no error of kind corrupt that names {name}: {:?}, {error}", error.kind()))
}

/// One object, damaged in one way.
#[derive(Clone)]
struct Rot {
    object: usize,
    what: String,
    bytes: Bytes,
}

impl Rot {
    fn new(scene: &Scene, object: usize, seed: u64) -> Self {
        let Object { place, bytes, .. } = &scene.objects[object];
        let (what, rotten) = damage(bytes, &mut Dice(seed));
        Self { object, what: format!("{place}, {} bytes, seed {seed}: {what}", bytes.len()), bytes: rotten.into() }
    }

    async fn in_world(rots: &[Self], scene: &Scene) -> World {
        let world = scene.before.fork(None);
        for rot in rots {
            world.store.put(&scene.objects[rot.object].place, rot.bytes.clone().into()).await.expect("memory takes everything");
        }
        world
    }

    /// Looks at the object alone; with `ask`, also asks all questions, and loads.
    async fn try_it(self, scene: Arc<Scene>, ask: bool) -> Result<Score, String> {
        let world = Self::in_world(std::slice::from_ref(&self), &scene).await;
        let object = &scene.objects[self.object];
        let mut score = Score { tried: 1, ..Score::default() };
        score.refused += usize::from(object.is_refused(&self.what, &world).await?);
        if ask {
            score.asked = 1;
            hold(&self.what, &object.place, &answers(&world.another()).await, &scene.expected)?;
            match world.another().load_files(std::slice::from_ref(&scene.upsert)).await {
                Ok(_) => {
                    let what = format!("{}, after a load", self.what);
                    hold(&what, &object.place, &answers(&world.another()).await, &scene.after)?;
                }
                Err(error) => {
                    is_named(&format!("{}, a load", self.what), &object.place, &error)?;
                    score.loads_refused = 1;
                }
            }
        }
        Ok(score)
    }
}

/// Verify names every one of these, and nothing that is whole.
async fn all_are_found(rots: &[Rot], scene: &Scene) -> Result<(), String> {
    let report = Rot::in_world(rots, scene).await.try_verify(None, false).await;
    let report = report.map_err(|error| format!("verify fails: {error}"))?;
    for rot in rots {
        let place = scene.objects[rot.object].place.as_ref();
        if !report.damages.iter().any(|damage| damage.object == place && damage.kind == Kind::Corrupt) {
            return Err(format!("{}: verify does not name it: {report}", rot.what));
        }
    }
    let of_rots = |object: &str| rots.iter().any(|rot| scene.objects[rot.object].place.as_ref() == object);
    match report.damages.iter().find(|damage| !of_rots(&damage.object) && !damage.what.contains("no checkpoint that is whole")) {
        Some(damage) => Err(format!("verify names what is whole: {damage}")),
        None => Ok(()),
    }
}

/// Damages all objects of these kinds, each in another way, again and again until so many were damaged. One in `ask_every` is
/// also asked and loaded over; verify is shown all of a round at once.
async fn rots(scene: &Arc<Scene>, kinds: &[&'static str], times: usize, ask_every: usize) {
    let started = Instant::now();
    let places = scene.of_kinds(kinds);
    let mut scores: BTreeMap<&'static str, Score> = BTreeMap::new();
    let mut failed = Vec::new();
    let mut done = 0;
    while done < times && failed.len() < 8 {
        let round: Vec<Rot> = places.iter().map(|&object| Rot::new(scene, object, (done + object) as u64)).collect();
        let tries = round.iter().cloned().enumerate().map(|(at, rot)| {
            let kind = kind_of(scene.objects[rot.object].place.as_ref());
            let ask = (done + at) % ask_every == 0;
            let task = tokio::spawn(rot.try_it(scene.clone(), ask));
            async move { (kind, task.await) }
        });
        let tries: Vec<_> = tries.collect();
        let outcomes: Vec<_> = futures::stream::iter(tries).buffer_unordered(AT_ONCE).collect().await;
        for (kind, outcome) in outcomes {
            match outcome {
                Ok(Ok(one)) => {
                    let score = scores.entry(kind).or_default();
                    score.tried += one.tried;
                    score.refused += one.refused;
                    score.asked += one.asked;
                    score.loads_refused += one.loads_refused;
                }
                Ok(Err(text)) => failed.push(text),
                Err(panic) => failed.push(format!("a panic: {panic}")),
            }
        }
        failed.extend(all_are_found(&round, scene).await.err());
        done += round.len();
    }
    for (kind, score) in &scores {
        println!(
            "{kind}: {} objects, {} damages, {} refused; {} asked about in SQL and loaded over, {} loads refused",
            scene.of_kinds(&[kind]).len(),
            score.tried,
            score.refused,
            score.asked,
            score.loads_refused
        );
    }
    println!("{} damages in {:.1} s, all found by verify", done, started.elapsed().as_secs_f64());
    failed.truncate(8);
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(kinds.iter().all(|kind| scores.contains_key(kind)), "there are objects of {kinds:?}: {scores:?}");
}

fn mutations() -> usize {
    std::env::var("IER_TEST_MUTATIONS").ok().map_or(MUTATIONS, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_that_rot_give_right_answers_or_named_errors() {
    let scene = Arc::new(Scene::new(with_checkpoint().await).await);
    rots(&scene, &["log entry", "checkpoint", "last checkpoint"], mutations() * 2 / 5, 67).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_files_that_rot_give_right_answers_or_named_errors() {
    let scene = Arc::new(Scene::new(sound().await).await);
    rots(&scene, &["hot file", "archive file", "reference file", "tally"], mutations() / 2, 53).await;
}

/// Where clean-up has removed the entries a checkpoint stands for, nothing else can stand for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_that_rots_when_its_entries_are_gone_is_named() {
    let world = with_checkpoint().await;
    let mut cleaned = 0;
    let log: Vec<_> =
        world.store.list(Some(&Path::from("hot/individual_email_result/_delta_log"))).try_collect().await.expect("a log");
    let checkpoint =
        log.iter().find_map(|object| object.location.filename()?.split_once(".checkpoint.")).expect("a checkpoint").0;
    for object in log.iter().filter(|object| object.location.filename().is_some_and(|name| name < checkpoint)) {
        world.store.delete(&object.location).await.expect("cleaned up");
        cleaned += 1;
    }
    assert_eq!(cleaned, 19);
    world.another().is_sound().await;
    let scene = Arc::new(Scene::new(world).await);
    rots(&scene, &["checkpoint", "last checkpoint"], mutations() / 20, 23).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_ups_that_rot_are_found() {
    let world = World::on("2026-11-01");
    look_at_some(&world).await;
    let scene = Arc::new(Scene::new(world).await);
    for object in 0..scene.objects.len() {
        for seed in 0..mutations() / 100 {
            let rot = Rot::new(&scene, object, seed as u64);
            rot.clone().try_it(scene.clone(), false).await.unwrap_or_else(|text| panic!("{text}"));
            all_are_found(&[rot], &scene).await.unwrap_or_else(|text| panic!("{text}"));
        }
    }
    println!("look-up: {} objects, {} damages each, all found by verify", scene.objects.len(), mutations() / 100);
}

/// Files of several pages a column: every page is looked at by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_many_pages_that_rots_is_named() {
    let world = World::on("2026-11-01");
    let rows: Vec<_> = (0..9_000)
        .map(|number| ier(number).contact(number % 700).sent("2026-10-05 08:00").stamp("2026-10-06 00:00").clicks(number % 3, 1))
        .collect();
    world.load(&rows).await;
    let scene = Arc::new(Scene::new(world).await);
    rots(&scene, &["hot file"], mutations() / 20, usize::MAX).await;
}
