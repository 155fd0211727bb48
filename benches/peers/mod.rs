//! Other engines, each in a Python process of its own, asked the same of the same rows.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, sum};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::Outcome;

pub mod beside;

/// What the peers are asked of, in Parquet files.
#[derive(Default, serde::Serialize)]
pub struct Tables {
    /// Those of IERs.
    pub ier: Vec<String>,
    /// One for each other table.
    pub others: BTreeMap<String, String>,
}

/// Another engine.
pub struct Peer {
    pub name: &'static str,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// What it answered.
pub struct Answer {
    pub ms: f64,
    pub said: Said,
}

/// What an answer says, in any order of its rows.
#[derive(Default)]
pub struct Said {
    pub rows: usize,
    /// The cells that are exact, as one number.
    exact: u64,
    /// The sum of the others, of which engines round the last digits.
    sum: f64,
}

impl Said {
    /// Do two answers say the same?
    pub fn is_like(&self, other: &Self) -> bool {
        let off = (self.sum - other.sum).abs();
        (self.rows, self.exact) == (other.rows, other.exact) && off <= 1e-6 * self.sum.abs().max(1.0)
    }
}

impl Peer {
    /// Those that are there: DuckDB on these files, DuckDB and chdb on tables of their own with the same rows, made beside the
    /// warehouse.
    pub fn all(tables: &Tables, warehouse: &Path) -> Vec<Self> {
        let (own, chdb) = (warehouse.with_file_name("duckdb"), warehouse.with_file_name("chdb"));
        let scripts = [
            ("DuckDB", "duckdb_peer.py", None),
            ("DuckDB's own", "duckdb_peer.py", Some(own.as_path())),
            ("chdb", "chdb_peer.py", Some(chdb.as_path())),
        ];
        let started = scripts.into_iter().filter_map(|(name, script, folder)| match Self::start(name, script, folder, tables) {
            Ok(peer) => Some(peer),
            Err(error) => {
                println!("without {name}: {error}");
                None
            }
        });
        started.collect()
    }

    /// DuckDB on these files.
    pub fn duckdb(tables: &Tables) -> Outcome<Self> {
        Self::start("DuckDB", "duckdb_peer.py", None, tables)
    }

    fn start(name: &'static str, script: &str, folder: Option<&Path>, tables: &Tables) -> Outcome<Self> {
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder)?;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(script);
        let mut command = Command::new("python3");
        let mut child = command.arg(script).args(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(mut to), Some(from)) = (child.stdin.take(), child.stdout.take()) else { return Err("no pipes".into()) };
        let mut from = BufReader::new(from);
        writeln!(to, "{}", serde_json::to_string(tables)?)?;
        let mut ready = String::new();
        from.read_line(&mut ready)?;
        match ready.trim().strip_prefix("ready ") {
            Some(version) => println!("{name} {version}, two threads, same rows"),
            None => return Err("it does not start: pip install duckdb chdb pytz".into()),
        }
        Ok(Self { name, child, to, from })
    }

    /// Asks a statement, on one line: the answer, or why there is none.
    pub fn ask(&mut self, sql: &str) -> Outcome<Result<Answer, String>> {
        writeln!(self.to, "{sql}")?;
        let mut answer = String::new();
        self.from.read_line(&mut answer)?;
        if let Some(why) = answer.strip_prefix("error ") {
            return Ok(Err(why.trim().to_owned()));
        }
        let parts: Vec<&str> = answer.split_whitespace().collect();
        let [ms, rows, exact, sum] = parts.as_slice() else { return Err(format!("{} did not answer", self.name).into()) };
        Ok(Ok(Answer { ms: ms.parse()?, said: Said { rows: rows.parse()?, exact: exact.parse()?, sum: sum.parse()? } }))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The process ends when its input does; a failed kill means that it has.
        drop(self.child.kill());
    }
}

/// What an answer says, as `answers.py` tells it.
pub fn said(batches: &[RecordBatch]) -> Outcome<Said> {
    let mut said = Said::default();
    // A column of nothing but nulls is exact.
    let is_fraction = |at: usize| {
        let column =
            |batch: &RecordBatch| batch.column(at).data_type().is_floating() && batch.column(at).null_count() < batch.num_rows();
        batches.iter().any(column)
    };
    for batch in batches {
        let (fractions, exact): (Vec<usize>, _) = (0..batch.num_columns()).partition(|at| is_fraction(*at));
        let column = |at: usize| batch.column(at);
        let exact = exact.into_iter().map(|at| cells(column(at))).collect::<Outcome<Vec<_>>>()?;
        said.rows += batch.num_rows();
        for row in 0..batch.num_rows() {
            let cells: Vec<&str> = exact.iter().map(|cells| cells[row].as_str()).collect();
            said.exact += u64::from(crc32fast::hash(cells.join("\u{1f}").as_bytes()));
        }
        for at in fractions {
            said.sum += sum(cast(column(at), &DataType::Float64)?.as_primitive::<Float64Type>()).unwrap_or(0.0);
        }
    }
    Ok(said)
}

fn cells(column: &dyn Array) -> Outcome<Vec<String>> {
    if column.data_type().is_numeric() || *column.data_type() == DataType::Boolean {
        let numbers = cast(column, &DataType::Int64)?;
        let numbers = numbers.as_primitive::<Int64Type>();
        return Ok(numbers.iter().map(|number| number.map_or_else(String::new, |number| number.to_string())).collect());
    }
    let column = match column.data_type() {
        DataType::Timestamp(..) => cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None))?,
        _ => column.slice(0, column.len()),
    };
    let options = FormatOptions::default().with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.6f"));
    let shown = ArrayFormatter::try_new(&column, &options)?;
    let text = |row: usize| shown.value(row).to_string().trim_end_matches(".000000").trim_end_matches(" 00:00:00").to_owned();
    Ok((0..column.len()).map(text).collect())
}
