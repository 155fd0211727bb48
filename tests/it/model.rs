//! Any interleaving of loads, archive runs, compactions, sweeps and restarts equals a plain map of versions.
//!
//! The map resolves in its own simple way: each column is the greatest (stamp, value) of the versions that provide it.
//! `IER_TEST_CASES` raises the number of cases; the seed is fixed, so a failure comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema};
use chrono::DateTime;
use ier::record::fields::{UTC, known};
use ier::tiers::upsert::Upsert;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::world::records::{contact_id, id, ier_id};
use crate::world::{World, day, silent};

/// The first day anything is sent, and the day the story begins.
const FIRST: &str = "2026-03-01";
const TODAY: &str = "2026-07-01";

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// What makes a row's key.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Key {
    Merge(u8),
    Subscriber(u8),
    Id(u8),
}

/// One version as an export tells it.
#[derive(Clone, Debug)]
struct Version {
    key: Key,
    /// MergeIds come in capitals or not; a record made anew has another Id.
    capitals: bool,
    id: u8,
    modstamp: Option<i64>,
    modified: Option<i64>,
    contact: Option<u8>,
    send: Option<u8>,
    sent: Option<i64>,
    created: Option<i64>,
    opened: Option<bool>,
    unique: Option<i32>,
}

/// Columns an export may lack.
#[derive(Clone, Copy, Debug)]
struct Lacks {
    sent: bool,
    created: bool,
    opened: bool,
    unique: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Load(Lacks, Vec<Version>),
    Archive(i64),
    Compact,
    Vacuum,
    DaysPass(i64),
    Restart,
}

fn maybe<T: Clone + std::fmt::Debug + 'static>(value: impl Strategy<Value = T> + 'static) -> impl Strategy<Value = Option<T>> {
    prop_oneof![1 => Just(None), 4 => value.prop_map(Some)]
}

fn version() -> impl Strategy<Value = Version> {
    let key =
        prop_oneof![6 => (0..9u8).prop_map(Key::Merge), 1 => (0..3u8).prop_map(Key::Subscriber), 1 => (0..3u8).prop_map(Key::Id)];
    // Mostly few days, so that partitions are shared; some anywhere in four months; one microsecond before midnight, too.
    let moment = || {
        prop_oneof![
            4 => (0..6i64, 0..3i64).prop_map(|(days, hours)| days * 20 * DAY + hours * HOUR),
            2 => (0..120i64).prop_map(|days| days * DAY),
            1 => (1..6i64).prop_map(|days| days * 20 * DAY - 1),
        ]
    };
    let stamps = (maybe(0..5i64), maybe(0..2i64));
    let facts = (maybe(0..3u8), maybe(0..3u8), maybe(moment()), maybe(moment()), maybe(any::<bool>()), maybe(0..3i32));
    (key, any::<bool>(), 0..3u8, stamps, facts).prop_map(
        |(key, capitals, id, (modstamp, modified), (contact, send, sent, created, opened, unique))| Version {
            key,
            capitals,
            id,
            modstamp,
            modified,
            contact,
            send,
            sent,
            created,
            opened,
            unique,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let rarely = || prop::bool::weighted(0.15);
    let lacks = (rarely(), rarely(), rarely(), rarely()).prop_map(|(sent, created, opened, unique)| Lacks {
        sent,
        created,
        opened,
        unique,
    });
    prop_oneof![
        8 => (lacks, prop::collection::vec(version(), 1..7)).prop_map(|(lacks, versions)| Step::Load(lacks, versions)),
        4 => (0..122i64).prop_map(Step::Archive),
        1 => Just(Step::Compact),
        1 => Just(Step::Vacuum),
        1 => (1..5i64).prop_map(Step::DaysPass),
        1 => Just(Step::Restart),
    ]
}

impl Version {
    fn ier_id(&self) -> String {
        match self.key {
            Key::Merge(key) => ier_id(100 * u32::from(key) + u32::from(self.id)),
            Key::Subscriber(key) => ier_id(10_000 + 100 * u32::from(key) + u32::from(self.id)),
            Key::Id(key) => ier_id(20_000 + u32::from(key)),
        }
    }

    fn merge_id(&self) -> Option<String> {
        match self.key {
            Key::Merge(key) if self.capitals => Some(format!("KEY-{key}")),
            Key::Merge(key) => Some(format!("key-{key}")),
            _ => None,
        }
    }

    fn subscriber(&self) -> Option<String> {
        match self.key {
            Key::Subscriber(key) if self.capitals => Some(format!("SUB-{key}")),
            Key::Subscriber(key) => Some(format!("sub-{key}")),
            _ => None,
        }
    }

    fn part(&self) -> Option<&'static str> {
        matches!(self.key, Key::Subscriber(_)).then_some("7")
    }

    fn stamp(&self) -> (Option<i64>, Option<i64>) {
        (self.modstamp, self.modified)
    }

    /// What orders versions: SystemModstamp, else LastModifiedDate, which proves at least as much.
    fn age(&self) -> (Option<i64>, bool, Option<i64>) {
        (self.modstamp.or(self.modified), self.modstamp.is_none(), self.modified)
    }
}

/// The versions as an export's batch.
fn batch(lacks: Lacks, versions: &[Version]) -> RecordBatch {
    let first = first_micros();
    let text =
        |of: &dyn Fn(&Version) -> Option<String>| -> ArrayRef { Arc::new(versions.iter().map(of).collect::<StringArray>()) };
    let moment = |of: &dyn Fn(&Version) -> Option<i64>| -> ArrayRef {
        let micros = versions.iter().map(|version| of(version).map(|micros| first + micros));
        Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone(UTC.clone()))
    };
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("ier_id", text(&|version| Some(version.ier_id()))),
        ("merge_id", text(&Version::merge_id)),
        ("subscriber_id", text(&Version::subscriber)),
        ("job_id", text(&|version| version.part().map(str::to_owned))),
        ("list_id", text(&|version| version.part().map(str::to_owned))),
        ("batch_id", text(&|version| version.part().map(str::to_owned))),
        ("contact_id", text(&|version| version.contact.map(|contact| contact_id(contact.into())))),
        ("send_definition_id", text(&|version| version.send.map(|send| id("a0B", send.into())))),
        ("system_modstamp", moment(&|version| version.modstamp.map(|hours| hours * HOUR))),
        ("last_modified_date", moment(&|version| version.modified.map(|hours| hours * HOUR))),
    ];
    if !lacks.sent {
        columns.push(("date_sent", moment(&|version| version.sent)));
    }
    if !lacks.created {
        columns.push(("created_date", moment(&|version| version.created)));
    }
    if !lacks.opened {
        columns.push(("opened", Arc::new(versions.iter().map(|version| version.opened).collect::<BooleanArray>())));
    }
    if !lacks.unique {
        columns
            .push(("number_of_unique_clicks", Arc::new(versions.iter().map(|version| version.unique).collect::<Int32Array>())));
    }
    let fields: Vec<Field> = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("a batch")
}

fn first_micros() -> i64 {
    day(FIRST).and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros()
}

/// The plain map: all versions ever loaded, by key.
#[derive(Default)]
struct Model(BTreeMap<Key, Vec<(Lacks, Version)>>);

impl Model {
    /// The value of a column: the greatest (stamp, value) of the versions that provide it.
    fn newest<T: Ord>(versions: &[(Lacks, Version)], provided: impl Fn(&Lacks, &Version) -> Option<Option<T>>) -> Option<T> {
        let accounted = versions.iter().filter_map(|(lacks, version)| Some((version.age(), provided(lacks, version)?)));
        accounted.max().and_then(|(_, value)| value)
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let mut rows: Vec<Vec<String>> = self.0.values().map(|versions| Self::row(versions)).collect();
        rows.sort();
        rows
    }

    fn row(versions: &[(Lacks, Version)]) -> Vec<String> {
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let first = first_micros();
        let moment = |micros: Option<i64>| {
            text(micros.map(|micros| {
                DateTime::from_timestamp_micros(first + micros)
                    .expect("a moment")
                    .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
            }))
        };
        let contact = Self::newest(versions, |_, version| version.contact.map(|contact| Some(contact_id(contact.into()))));
        let send = Self::newest(versions, |_, version| version.send.map(|send| Some(id("a0B", send.into()))));
        let sent = Self::newest(versions, |lacks, version| (!lacks.sent).then_some(version.sent));
        let created = Self::newest(versions, |lacks, version| (!lacks.created).then_some(version.created));
        let opened = Self::newest(versions, |lacks, version| (!lacks.opened).then_some(version.opened));
        let unique = Self::newest(versions, |lacks, version| (!lacks.unique).then_some(version.unique));
        let (_, newest) = versions.iter().map(|(_, version)| (version.age(), version.stamp())).max().expect("a version");
        let day = sent.or(created).map(|micros| DateTime::from_timestamp_micros(first + micros).expect("a moment").date_naive());
        vec![
            text(Self::newest(versions, |_, version| Some(version.merge_id()))),
            text(Self::newest(versions, |_, version| Some(version.subscriber()))),
            text(Self::newest(versions, |_, version| Some(Some(version.ier_id())))),
            text(contact.clone()),
            text(contact),
            text(send),
            moment(sent),
            moment(created),
            text(day.map(|day| day.to_string())),
            text(opened.map(|opened| opened.to_string())),
            text(unique.map(|unique| unique.to_string())),
            text(unique.map(|unique| (unique > 0).to_string())),
            moment(newest.0.map(|hours| hours * HOUR)),
            moment(newest.1.map(|hours| hours * HOUR)),
        ]
    }
}

const QUESTION: &str = "SELECT merge_id, subscriber_id, ier_id, person_id, contact_id, send_definition_id, date_sent, created_date, \
    sent_date, opened, number_of_unique_clicks, clicked, system_modstamp, last_modified_date FROM ier";

async fn rows(world: &World) -> Vec<Vec<String>> {
    let mut rows = world.ask(QUESTION).await;
    rows.sort();
    rows
}

async fn load(world: &World, model: &mut Model, lacks: Lacks, versions: &[Version]) {
    let table = known("ier").expect("the table of IERs");
    let mut upsert = Upsert::new(&world.warehouse, table, 64 << 20).await.expect("an upsert");
    upsert.push(&batch(lacks, versions)).expect("rows");
    let prepared = upsert.prepare(&silent()).await.expect("files");
    let counts = upsert.commit(prepared).await.expect("a commit");
    let before = model.0.len();
    for version in versions {
        model.0.entry(version.key).or_default().push((lacks, version.clone()));
    }
    let accounted = counts.inserted + counts.updated + counts.unchanged + counts.outdone;
    assert_eq!(accounted, versions.len() as u64, "nothing is dropped uncounted");
    assert_eq!(counts.inserted, (model.0.len() - before) as u64, "new keys");
}

/// After an archive run old rows are in the archive, and only they.
async fn tiers_hold_their_own(world: &World, until: &str) {
    let astray = format!(
        "SELECT merge_id, tier, sent_date FROM ier WHERE (tier = 'hot' AND sent_date < '{until}') \
         OR (tier = 'archive' AND (sent_date >= '{until}' OR sent_date IS NULL))"
    );
    assert_eq!(world.ask(&astray).await, Vec::<Vec<String>>::new(), "archived until {until}");
}

async fn run(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = World::on(TODAY);
    let mut model = Model::default();
    let mut boundary = day(FIRST);
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Load(lacks, versions) => load(&world, &mut model, *lacks, versions).await,
            Step::Archive(days) => {
                let until = day(FIRST) + chrono::Duration::days(*days);
                world.try_archive(until).await.expect("an archive run");
                if !model.0.is_empty() {
                    boundary = boundary.max(until);
                    tiers_hold_their_own(&world, &boundary.to_string()).await;
                }
            }
            Step::Compact => {
                world.compact().await;
            }
            Step::Vacuum => {
                world.vacuum(0).await;
            }
            Step::DaysPass(days) => world.days_pass(*days),
            Step::Restart => world = world.another(),
        }
        prop_assert_eq!(rows(&world).await, model.rows(), "after step {}", number);
    }
    world.rows_stand_where_they_belong().await;
    world.the_books_balance().await;
    world.files_are_sound().await;
    Ok(())
}

#[test]
fn any_interleaving_equals_a_plain_map() {
    let cases = std::env::var("IER_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let config = ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 300, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]));
    let outcome = runner.run(&prop::collection::vec(step(), 20..35), |steps| runtime.block_on(run(&steps)));
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
