//! Random statements against SQLite: an oracle that is not DataFusion, which stands on both sides of [`crate::random_sql`].
//!
//! The statements ([`grammar`]) are asked of [`Engine::sql`], with all of its rules and rewrites, and of SQLite, over the same small
//! tables with nulls everywhere. What the engine refuses counts as refused: the refusal must be one for people
//! ([`Kind::Invalid`]), and there may be few. Nothing else may differ.
//!
//! A failure names its seed: `IER_TEST_SQLITE_SEED=… cargo test sqlite` asks that statement alone; `IER_TEST_SQLITE` says how many
//! to ask. What was found so far, with upstream's numbers, stands at the head of `query::planner::subqueries` and in
//! [`upstream`], whose tests tell when an upgrade of DataFusion has made a rewrite of ours needless.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;
use ier::error::{Error, Kind as Trouble};
use ier::query::engine::Engine;
use ier::query::limits::Limits;
use rusqlite::Connection;
use rusqlite::types::{Value, ValueRef};
use tokio::runtime::Builder;

use self::grammar::{COLUMNS, Kind, Statement, TABLES, TEXTS, Writer};
use crate::fixture::Fixture;
use crate::world::turns::Dice;

mod grammar;

mod upstream;

/// Statements asked unless told otherwise.
const STATEMENTS: u64 = 20_000;

/// Worlds of tables they are spread over.
const WORLDS: u64 = 8;

/// Of how many statements one may be refused, at most.
const REFUSED_EACH: usize = 20;

/// Plans of nested statements are deep, and unoptimised code takes much room for them.
const STACK_BYTES: usize = 16 << 20;

/// Failures shown.
const SHOWN: usize = 8;

/// How far fractions may differ, for their size.
const TOLERANCE: f64 = 1e-9;

/// A value, as both can say it: yes is 1, no is 0.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Null,
    Number(f64),
    Text(String),
}

impl Cell {
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) if (one - other).abs() <= TOLERANCE * one.abs().max(other.abs()) => {
                Ordering::Equal
            }
            (Self::Number(one), Self::Number(other)) => one.total_cmp(other),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            (one, other) => one.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => format!("{text:?}"),
        }
    }
}

type Row = Vec<Cell>;

fn order(one: &Row, other: &Row) -> Ordering {
    let cells = one.iter().zip(other).map(|(one, other)| one.order(other));
    cells.fold(Ordering::Equal, Ordering::then).then(one.len().cmp(&other.len()))
}

fn shown(rows: &[Row]) -> String {
    let row = |row: &Row| row.iter().map(Cell::shown).collect::<Vec<_>>().join(" | ");
    let rows: Vec<String> = rows.iter().take(12).map(row).collect();
    rows.join("\n    ")
}

/// The rows of a table: values of each column in [`COLUMNS`].
fn rows(world: u64, table: usize) -> Vec<Vec<Value>> {
    let mut dice = Dice::new(world * 31 + table as u64 + 1);
    let (_, count) = TABLES[table];
    let mut value = |row: usize, (name, kind, nullable): (&str, Kind, bool)| match kind {
        _ if nullable && dice.below(3) == 0 => Value::Null,
        Kind::Whole if name == "k" => Value::Integer(row as i64),
        Kind::Whole => Value::Integer(dice.below(4) as i64),
        Kind::Text => Value::Text(TEXTS[dice.below(TEXTS.len())].to_owned()),
        Kind::Yes => Value::Integer(dice.below(2) as i64),
    };
    (0..count).map(|row| COLUMNS.iter().map(|column| value(row, *column)).collect()).collect()
}

fn table(world: u64, number: usize) -> MemTable {
    let (types, rows) = (
        |kind| match kind {
            Kind::Whole => DataType::Int64,
            Kind::Text => DataType::Utf8View,
            Kind::Yes => DataType::Boolean,
        },
        rows(world, number),
    );
    let fields: Vec<Field> = COLUMNS.iter().map(|(name, kind, null)| Field::new(*name, types(*kind), *null)).collect();
    let whole = |value: &Value| if let Value::Integer(number) = value { Some(*number) } else { None };
    let text = |value: &Value| if let Value::Text(text) = value { Some(text.clone()) } else { None };
    let columns = COLUMNS.iter().enumerate().map(|(at, (_, kind, _))| -> ArrayRef {
        let values = rows.iter().map(|row| &row[at]);
        match kind {
            Kind::Whole => Arc::new(values.map(whole).collect::<Int64Array>()),
            Kind::Text => Arc::new(values.map(text).collect::<StringViewArray>()),
            Kind::Yes => Arc::new(values.map(|value| whole(value).map(|yes| yes == 1)).collect::<BooleanArray>()),
        }
    });
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), columns.collect()).expect("rows");
    // In two pieces, so that what is put together from several is, too.
    let (one, other) = (batch.slice(0, batch.num_rows() / 2), batch.slice(batch.num_rows() / 2, batch.num_rows().div_ceil(2)));
    MemTable::try_new(schema, vec![vec![one], vec![other]]).expect("a table in memory")
}

/// All rows of an answer.
async fn read(stream: SendableRecordBatchStream) -> Result<Vec<Row>, DataFusionError> {
    let batches: Vec<RecordBatch> = stream.try_collect().await?;
    let mut rows = Vec::new();
    for batch in batches {
        let options = FormatOptions::default();
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
        let columns: Vec<_> = columns.collect::<Result<_, _>>()?;
        let cell = |column: usize, row: usize| {
            let (array, text) = (batch.column(column), columns[column].value(row).to_string());
            match array.data_type() {
                _ if array.is_null(row) => Cell::Null,
                DataType::Null => Cell::Null,
                DataType::Boolean => Cell::Number(f64::from(u8::from(text == "true"))),
                kind if kind.is_numeric() => Cell::Number(text.parse().expect("a number")),
                _ => Cell::Text(text),
            }
        };
        rows.extend((0..batch.num_rows()).map(|row| (0..columns.len()).map(|column| cell(column, row)).collect()));
    }
    Ok(rows)
}

/// Both, over the same tables.
struct Pair {
    engine: Engine,
    sqlite: Connection,
}

impl Pair {
    async fn new(threads: usize) -> Self {
        let engine = Fixture::with_limits(Limits { threads, ..Limits::default() }).await.engine;
        let sqlite = Connection::open_in_memory().expect("SQLite");
        sqlite.execute_batch("PRAGMA case_sensitive_like = ON; ATTACH ':memory:' AS r").expect("a schema");
        let schema = Arc::new(MemorySchemaProvider::new());
        for world in 0..WORLDS {
            for (number, (name, _)) in TABLES.iter().enumerate() {
                let name = format!("{name}{world}");
                let of_kind = |kind| if kind == Kind::Text { "TEXT" } else { "INTEGER" };
                let columns: Vec<String> = COLUMNS.iter().map(|(name, kind, _)| format!("{name} {}", of_kind(*kind))).collect();
                sqlite.execute_batch(&format!("CREATE TABLE r.{name} ({})", columns.join(", "))).expect("a table");
                for row in rows(world, number) {
                    let places = vec!["?"; row.len()].join(", ");
                    let insert = format!("INSERT INTO r.{name} VALUES ({places})");
                    sqlite.execute(&insert, rusqlite::params_from_iter(row)).expect("a row");
                }
                schema.register_table(name, Arc::new(table(world, number))).expect("a table");
            }
        }
        let catalog = engine.context().catalog("ier").expect("the catalog");
        catalog.register_schema("r", schema).expect("a schema");
        Self { engine, sqlite }
    }

    async fn ours(&self, sql: &str) -> Result<Vec<Row>, Error> {
        Ok(read(self.engine.sql(sql).await?).await?)
    }

    fn sqlites(&self, sql: &str) -> rusqlite::Result<Vec<Row>> {
        let mut statement = self.sqlite.prepare(sql)?;
        let count = statement.column_count();
        let cell = |value: ValueRef<'_>| match value {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(number) => Cell::Number(number as f64),
            ValueRef::Real(number) => Cell::Number(number),
            ValueRef::Text(text) | ValueRef::Blob(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        };
        let rows = statement.query_map([], |row| (0..count).map(|at| row.get_ref(at).map(cell)).collect())?;
        rows.collect()
    }

    /// Asks both.
    async fn ask(&self, statement: &Statement) -> Outcome {
        let mut expected = match self.sqlites(&statement.sqlites) {
            Ok(rows) => rows,
            Err(error) => return Outcome::Wrong(format!("SQLite cannot answer: {error}\n{}", statement.sqlites)),
        };
        let mut reported = match self.ours(&statement.ours).await {
            Ok(rows) => rows,
            Err(error) if error.kind() == Trouble::Invalid => return Outcome::Refused(error.to_string()),
            Err(error) => return Outcome::Wrong(format!("fails: {error:?}")),
        };
        let pairs = || reported.iter().zip(&expected);
        let apart = |(one, other): (&Row, &Row)| statement.sorted_by.iter().any(|at| one[*at].order(&other[*at]).is_ne());
        let sorted_apart = reported.len() == expected.len() && pairs().any(apart);
        if sorted_apart {
            return Outcome::Wrong(format!("order:\n    {}\n  SQLite:\n    {}", shown(&reported), shown(&expected)));
        }
        reported.sort_by(order);
        expected.sort_by(order);
        let same =
            reported.len() == expected.len() && reported.iter().zip(&expected).all(|(one, other)| order(one, other).is_eq());
        match same {
            true => Outcome::Same(reported.len()),
            false => Outcome::Wrong(format!(
                "{} rows:\n    {}\n  SQLite, {} rows:\n    {}",
                reported.len(),
                shown(&reported),
                expected.len(),
                shown(&expected)
            )),
        }
    }
}

enum Outcome {
    Same(usize),
    Refused(String),
    Wrong(String),
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// What came of all statements.
#[derive(Default)]
struct Outcomes {
    with_rows: usize,
    failed: Vec<(u64, String)>,
    refused: BTreeMap<String, (usize, u64)>,
}

/// Asks statements until there are none left, over tables of its own.
async fn ask_all(left: &Mutex<Range<u64>>, outcomes: &Mutex<Outcomes>) {
    // Plans for one thread and for two differ.
    let pairs = [Pair::new(1).await, Pair::new(2).await];
    loop {
        let Some(seed) = left.lock().expect("seeds").next() else { return };
        let statement = Writer::statement(seed % WORLDS, seed);
        let outcome = pairs[usize::from(seed % 10 == 9)].ask(&statement).await;
        let mut outcomes = outcomes.lock().expect("outcomes");
        match outcome {
            Outcome::Same(rows) => outcomes.with_rows += usize::from(rows > 0),
            Outcome::Refused(why) => {
                let words = why.split(|c: char| !c.is_alphabetic()).filter(|word| word.len() > 2).take(9);
                let why = words.collect::<Vec<_>>().join(" ");
                let (count, such) = outcomes.refused.entry(why).or_insert((0, seed));
                (*count, *such) = (*count + 1, seed.min(*such));
            }
            Outcome::Wrong(how) => {
                outcomes.failed.push((seed, format!("IER_TEST_SQLITE_SEED={seed}\n  {}\n  {how}\n", statement.ours)));
            }
        }
    }
}

#[test]
fn random_statements_get_the_answers_of_sqlite() {
    let seeds = match number("IER_TEST_SQLITE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("IER_TEST_SQLITE").unwrap_or(STATEMENTS),
    };
    let (started, asked) = (Instant::now(), (seeds.end - seeds.start) as usize);
    let (left, outcomes) = (Mutex::new(seeds), Mutex::new(Outcomes::default()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(asked);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let ask = || {
                let runtime = Builder::new_multi_thread().worker_threads(1).thread_stack_size(STACK_BYTES).enable_all().build();
                runtime.expect("a runtime").block_on(ask_all(&left, &outcomes));
            };
            std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, ask).expect("a thread");
        }
    });
    let Outcomes { with_rows, mut failed, refused } = outcomes.into_inner().expect("outcomes");
    failed.sort();
    let not_asked: usize = refused.values().map(|(count, _)| count).sum();
    println!(
        "against SQLite: {asked} statements, {with_rows} with rows, {not_asked} refused, {} failed, {:.1} s",
        failed.len(),
        started.elapsed().as_secs_f64()
    );
    for (why, (count, seed)) in &refused {
        println!("  refused {count} times, such as seed {seed}: {why}");
    }
    let count = failed.len();
    failed.truncate(number("IER_TEST_SQLITE_SHOWN").map_or(SHOWN, |shown| shown as usize));
    let failed: Vec<String> = failed.into_iter().map(|(_, how)| how).collect();
    assert!(failed.is_empty(), "{count} wrong answers:\n{}", failed.join("\n"));
    assert!(asked == 1 || not_asked * REFUSED_EACH <= asked, "{not_asked} of {asked} statements are refused");
    assert!(asked == 1 || with_rows * 3 > asked, "only {with_rows} of {asked} statements have rows: they ask too narrowly");
}
