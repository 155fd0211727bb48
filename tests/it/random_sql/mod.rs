//! Random SQL: what the engine answers over hot, archive and late rows must be what plain DataFusion answers over the very same
//! rows in memory.
//!
//! The rows in memory are not read through the engine: a plain map of what the exports had makes them ([`story`]), and the whole
//! tables are compared first. Then statements made from seeds ([`grammar`]) are asked of both, while jobs change the world under
//! an engine that stays open; every tenth again after the next job, and every tenth with the engine's short ways switched off.
//! A statement that fails on both sides is skipped; hardly any may.
//!
//! A failure names its seed: `IER_TEST_SQL_SEED=… cargo test random_sql` asks that statement alone. `IER_TEST_SQL` says how many
//! to ask. Not a test of DataFusion, which answers on both sides, nor of writing, which the model has ([`crate::model`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use datafusion::datasource::MemTable;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::{StreamExt, stream};
use ier::query::engine::Engine;
use tokio::runtime::Builder;

use self::compare::Answer;
use self::grammar::{Grammar, Statement};
use self::story::Story;
use self::values::relation;
use crate::fixture::limits;

mod compare;

mod grammar;

/// The same by somebody who does not see everything.
mod masked;

mod story;

mod values;

/// Statements asked unless told otherwise: some eight minutes of two cores. Nearly all of it goes into planning and into opening
/// files, in code that is not optimised in the tests' profile.
const STATEMENTS: u64 = 10_000;

/// Worlds they are spread over.
const WORLDS: u64 = 4;

/// One in so many is asked again after the next job, and another one with a short way off.
const AGAIN: u64 = 10;

/// Statements asked at once.
const AT_ONCE: usize = 4;

/// Plans of nested statements are deep, and unoptimised code takes much room for them.
const STACK_BYTES: usize = 16 << 20;

/// Failures shown.
const SHOWN: usize = 5;

/// Engines that do without one of the short ways: what it is called, and the options that turn it off. A new one is a line here.
const SWITCHES: [(&str, &[(&str, &str)]); 10] = [
    ("no rollups", &[("ier.rollups", "false")]),
    ("no selection", &[("ier.selection", "false")]),
    ("no rare rows", &[("ier.rare_rows", "false")]),
    ("no runs of persons", &[("ier.person_runs", "false")]),
    ("no texts once", &[("ier.texts_once", "false")]),
    ("no raw pages", &[("ier.raw_pages", "false")]),
    ("one thread", &[("datafusion.execution.target_partitions", "1")]),
    (
        "no pruning in files",
        &[
            ("datafusion.execution.parquet.pruning", "false"),
            ("datafusion.execution.parquet.enable_page_index", "false"),
            ("datafusion.execution.parquet.bloom_filter_on_read", "false"),
        ],
    ),
    (
        "no filters found while running",
        &[
            ("datafusion.optimizer.enable_dynamic_filter_pushdown", "false"),
            ("datafusion.optimizer.enable_sort_pushdown", "false"),
            ("datafusion.optimizer.enable_topk_aggregation", "false"),
        ],
    ),
    (
        "no statistics, small batches",
        &[("datafusion.execution.collect_statistics", "false"), ("datafusion.execution.batch_size", "64")],
    ),
];

/// Days on which something begins: months, and what is or will be archived. Each more is a file more in every statement.
fn edges() -> Vec<NaiveDate> {
    let days = [(3, 1), (4, 1), (4, 20), (5, 1), (5, 10), (6, 1), (6, 5), (6, 20)];
    days.into_iter().filter_map(|(month, day)| NaiveDate::from_ymd_opt(2026, month, day)).collect()
}

/// What happens to a world, one after the other; statements are asked after each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Chapter {
    /// Files in both tiers, late rows of every kind.
    Begun,
    /// The late rows are folded in.
    Archived,
    /// The months are compacted.
    Compacted,
    /// More late rows, over the compacted months.
    Late,
}

const CHAPTERS: [Chapter; 4] = [Chapter::Begun, Chapter::Archived, Chapter::Compacted, Chapter::Late];

/// The chapter (by number) in which a statement is asked first: where there are late rows more often than elsewhere.
fn chapter_of(seed: u64) -> usize {
    [0, 3, 0, 1, 3, 0, 2, 3, 0, 3][(seed / WORLDS % 10) as usize]
}

fn world_of(seed: u64) -> u64 {
    seed % WORLDS
}

/// Has this statement a turn of these, whatever its world and chapter?
fn is_one_of(seed: u64, turn: u64) -> bool {
    seed / (WORLDS * 10) % AGAIN == turn
}

/// A world at one chapter, and who answers.
struct Stage {
    engine: Arc<Engine>,
    switched: Arc<Vec<Engine>>,
    reference: SessionContext,
}

/// What became of all statements.
#[derive(Default)]
struct Tally {
    asked: AtomicU64,
    skipped: AtomicU64,
    answered: AtomicU64,
    engine_micros: AtomicU64,
    reference_micros: AtomicU64,
}

impl Tally {
    fn add(count: &AtomicU64, more: u64) {
        count.fetch_add(more, Ordering::Relaxed);
    }

    fn of(count: &AtomicU64) -> u64 {
        count.load(Ordering::Relaxed)
    }
}

async fn asked(engine: &Engine, sql: &str) -> Result<Answer, String> {
    let stream = engine.sql(sql).await.map_err(|error| error.to_string())?;
    Answer::of(stream).await.map_err(|error| error.to_string())
}

async fn refer(reference: &SessionContext, sql: &str) -> Result<Answer, String> {
    let stream = async { reference.sql(sql).await?.execute_stream().await }.await.map_err(|error| error.to_string())?;
    Answer::of(stream).await.map_err(|error| error.to_string())
}

async fn timed<T>(micros: &AtomicU64, work: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let done = work.await;
    Tally::add(micros, started.elapsed().as_micros() as u64);
    done
}

impl Stage {
    /// Asks both; what is wrong, if anything is.
    async fn ask(&self, statement: &Statement, switch: Option<usize>, tally: &Tally) -> Option<String> {
        let engine = switch.map_or(self.engine.as_ref(), |switch| &self.switched[switch]);
        let sql = &statement.sql;
        let expected = timed(&tally.reference_micros, refer(&self.reference, sql)).await;
        let reported = timed(&tally.engine_micros, asked(engine, sql)).await;
        Tally::add(&tally.asked, 1);
        match (reported, expected) {
            (Ok(reported), Ok(expected)) => {
                Tally::add(&tally.answered, u64::from(expected.len() > 0));
                reported.difference(expected, &statement.sorted_by)
            }
            (Err(error), Ok(_)) => Some(format!("only the engine fails: {error}")),
            (_, Err(error)) => {
                Tally::add(&tally.skipped, 1);
                println!("skipped, it fails: {error}\n  {sql}");
                None
            }
        }
    }
}

/// The reference: the map's rows in memory, under every name they have.
fn reference(story: &Story, schemas: &BTreeMap<&'static str, arrow::datatypes::SchemaRef>) -> SessionContext {
    // One pass of the optimiser: it is asked for the answer, not for the best plan.
    let config = SessionConfig::new().with_target_partitions(1).set_usize("datafusion.optimizer.max_passes", 1);
    let config = config.set_bool("datafusion.execution.skip_physical_aggregate_schema_check", true); // as the engine does
    // The rules that hand filters down by name are wrong where both sides of a join have the name (see `query::pushdown`).
    let rules = PhysicalOptimizer::new().rules.into_iter().filter(|rule| !rule.name().starts_with("FilterPushdown"));
    let state = SessionStateBuilder::new().with_config(config).with_default_features();
    let context = SessionContext::new_with_state(state.with_physical_optimizer_rules(rules.collect()).build());
    for name in story.names() {
        let schema = &schemas[name];
        let table = MemTable::try_new(schema.clone(), vec![vec![story.batch(name, schema)]]).expect("a table in memory");
        let table = Arc::new(table);
        for name in [Some(name), (name == "ier").then_some("individual_email_result")].into_iter().flatten() {
            context.register_table(name, table.clone()).expect("a table in memory");
        }
    }
    context
}

/// The engines of a world: one as it comes, and one for each switch.
async fn engines(story: &Story) -> (Arc<Engine>, Arc<Vec<Engine>>) {
    let open = async || Engine::open(story.world.warehouse.clone(), limits()).await.expect("an engine");
    let mut switched = Vec::new();
    for (_, options) in SWITCHES {
        let engine = open().await;
        for (name, value) in options {
            let state = engine.context().state_ref();
            state.write().config_mut().options_mut().set(name, value).expect("an option");
        }
        switched.push(engine);
    }
    (Arc::new(open().await), Arc::new(switched))
}

/// Plays a world and asks its statements; what failed, by seed.
async fn play(world: u64, seeds: &[u64], tally: &Arc<Tally>) -> Vec<String> {
    let started = Instant::now();
    let mut story = Story::new(world).await;
    let (engine, switched) = engines(&story).await;
    let mut schemas = BTreeMap::new();
    for name in story.names() {
        schemas.insert(name, engine.context().table_provider(name).await.expect("a table").schema());
    }
    println!("world {world}: made in {:.1} s", started.elapsed().as_secs_f64());
    let (mut failed, mut again): (Vec<String>, Vec<(u64, Statement)>) = Default::default();
    for (number, chapter) in CHAPTERS.into_iter().enumerate() {
        match chapter {
            Chapter::Begun => story.is_varied().await,
            Chapter::Archived => story.archive("2026-06-20").await,
            Chapter::Compacted => story.compact().await,
            Chapter::Late => story.load_late().await,
        }
        let begun = Instant::now();
        let reference = reference(&story, &schemas);
        let stage = Arc::new(Stage { engine: engine.clone(), switched: switched.clone(), reference });
        for name in story.names() {
            let whole = Statement { sql: format!("SELECT * FROM {name}"), sorted_by: Vec::new() };
            let wrong = stage.ask(&whole, None, tally).await;
            assert!(
                wrong.is_none(),
                "world {world}, {chapter:?}: {name} is not what the map says\n{}",
                wrong.unwrap_or_default()
            );
        }
        let relations = story.names().map(|name| relation(name, &story.batch(name, &schemas[name]))).collect();
        let grammar = Grammar { relations };
        let mut asked: Vec<(u64, Statement, Option<usize>)> =
            std::mem::take(&mut again).into_iter().map(|(seed, statement)| (seed, statement, None)).collect();
        for seed in seeds.iter().copied().filter(|seed| world_of(*seed) == world && chapter_of(*seed) == number) {
            let statement = grammar.statement(seed);
            if is_one_of(seed, 0) {
                again.push((seed, statement.clone()));
            }
            if is_one_of(seed, 5) {
                let switch = seed as usize / 7 % SWITCHES.len();
                asked.push((seed, statement.clone(), Some(switch)));
            }
            asked.push((seed, statement, None));
        }
        let count = asked.len();
        failed.extend(ask_all(&stage, chapter, asked, tally).await);
        println!("world {world}, {chapter:?}: {count} statements asked in {:.1} s", begun.elapsed().as_secs_f64());
    }
    failed
}

async fn ask_all(
    stage: &Arc<Stage>,
    chapter: Chapter,
    statements: Vec<(u64, Statement, Option<usize>)>,
    tally: &Arc<Tally>,
) -> Vec<String> {
    let answers = stream::iter(statements).map(|(seed, statement, switch)| {
        let (stage, tally) = (stage.clone(), tally.clone());
        let sql = statement.sql.clone();
        let task = tokio::spawn(async move { stage.ask(&statement, switch, &tally).await });
        async move {
            let wrong = task.await.unwrap_or_else(|panic| Some(panic.to_string()))?;
            let how = switch.map_or_else(String::new, |switch| format!(", {}", SWITCHES[switch].0));
            Some(format!("IER_TEST_SQL_SEED={seed} ({chapter:?}{how})\n{sql}\n{wrong}\n"))
        }
    });
    answers.buffer_unordered(AT_ONCE).filter_map(async |wrong| wrong).collect().await
}

/// The seeds to ask: the one given, or as many as there shall be.
fn seeds() -> Vec<u64> {
    let number =
        |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is a number")));
    match number("IER_TEST_SQL_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("IER_TEST_SQL").unwrap_or(STATEMENTS)).collect(),
    }
}

#[test]
fn random_statements_get_the_answers_of_plain_rows() {
    let runtime = Builder::new_multi_thread().worker_threads(2).thread_stack_size(STACK_BYTES).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (started, seeds, tally) = (Instant::now(), Arc::new(seeds()), Arc::new(Tally::default()));
    let mut failed = Vec::new();
    for world in 0..WORLDS {
        if seeds.iter().any(|seed| world_of(*seed) == world) {
            let (seeds, tally) = (seeds.clone(), tally.clone());
            let played = runtime.spawn(async move { play(world, &seeds, &tally).await });
            failed.extend(runtime.block_on(played).expect("a world that can be played"));
        }
    }
    let (asked, skipped, answered) = (Tally::of(&tally.asked), Tally::of(&tally.skipped), Tally::of(&tally.answered));
    let each = |micros: &AtomicU64| Duration::from_micros(Tally::of(micros) / asked.max(1));
    println!(
        "random SQL: {} statements, asked {asked} times, {skipped} skipped, {answered} with rows, {} failed, {:.1} s; engine {:.1?} each, reference {:.1?}",
        seeds.len(),
        failed.len(),
        started.elapsed().as_secs_f64(),
        each(&tally.engine_micros),
        each(&tally.reference_micros),
    );
    let count = failed.len();
    failed.truncate(SHOWN);
    assert!(failed.is_empty(), "{count} wrong answers:\n{}", failed.join("\n"));
    assert!(skipped * 100 <= asked, "{skipped} of {asked} statements fail: the grammar has to be mended");
    assert!(seeds.len() == 1 || answered * 2 > asked, "only {answered} of {asked} statements have rows: they ask too narrowly");
}
