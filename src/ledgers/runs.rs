//! The ledger of runs: what each job did, when, for whom, and how it ended, as rows of the table `job_run`.
//!
//! A row is written when a run ends, after everything that the run committed. So a row never reports what did not happen. These
//! runs leave no row:
//! - a run that was killed, or stopped by its user. What it committed stays, and the next run of the job finishes the rest;
//! - a dry run;
//! - a run that changed nothing where there is no warehouse yet: otherwise a mistyped name would create one.
//!
//! The key of each row is a number that no other row has, so runs that end at the same time only commit one after the other.
//!
//! **Invariant**: a row names nobody, and repeats nothing that stood in a file. Of an error it has the kind and the words of our
//! own source. Of the values in an error, and of the texts in a report, it has only those that cannot be anybody's data
//! ([`nameless`]). The user who ran the job sees everything. Whoever writes an error or a report need not think of this.
//!
//! # Decisions
//! - 2026-11-22 **A run's row is written when it has ended, and fails nothing.** What is committed is committed; a row that
//!   cannot be written is a warning. A killed run leaves none, so it is still due.
//! - 2026-11-28 **The ledger of runs takes of a message what our source says, not what it is about.** A message keeps its
//!   words and its values apart, and a text of unknown make is all value: who forgets that tells too little, never a name.
//!   A list of what to blot out would always lack the next thing.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use chrono::{DateTime, NaiveDate, SubsecRound, Utc};
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::error::{Context, Error, Kind, Part, Result};
use crate::lake::paths::Role;
use crate::lake::read;
use crate::record::fields::{TABLES, Table, UTC, known};
use crate::record::id::SfId;
use crate::record::key::label_array;
use crate::tiers::upsert::Upsert;
use crate::tiers::warehouse::Warehouse;

/// One row on its way.
const BUFFER_BYTES: usize = 4 << 20;

/// The report of a job: for people, for machines, and as figures for the ledger.
pub trait Report: Serialize + fmt::Display {
    /// Rows it changed, moved or wrote anew; 0 for a job that has none.
    fn rows(&self) -> u64;

    /// Did it change anything?
    fn changed(&self) -> bool;

    /// Why the run counts as failed although it ended normally; the scheduler reports it.
    fn complaint(&self) -> Option<Error> {
        None
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It changed something.
    Done,
    /// There was nothing to do.
    Nothing,
    /// It stopped with an error, or ended with a complaint.
    Failed,
}

impl Outcome {
    /// The word in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Nothing => "nothing",
            Self::Failed => "failed",
        }
    }
}

/// A run that came to its end.
#[derive(Debug)]
pub struct FinishedRun<R> {
    /// What it did.
    pub report: R,
    /// Its number.
    pub run_id: String,
    /// Why the ledger does not tell of it, where it does not. The job has done its work all the same.
    pub unrecorded: Option<Error>,
}

/// A row of the ledger.
struct Row<'a> {
    run_id: &'a str,
    job: &'a str,
    started_at: DateTime<Utc>,
    finished_at: DateTime<Utc>,
    outcome: Outcome,
    rows: u64,
    who: &'a str,
    report: Option<String>,
    error: Option<String>,
}

/// Does a job's work, which is handed the run's number, and writes down how it ended.
///
/// # Errors
/// The work's own error, which also says so where the ledger could not be written.
pub async fn recorded<R: Report, F: Future<Output = Result<R>>>(
    warehouse: &Arc<Warehouse>,
    job: &str,
    who: &str,
    work: impl FnOnce(String) -> F,
) -> Result<FinishedRun<R>> {
    let started_at = warehouse.clock().now();
    ended(warehouse, (job, who, started_at), work).await
}

/// Plans what a person asked for, and does it as [`recorded`] does. A plan that the person's words do not allow is no run: nothing
/// was begun, whoever typed them sees it, and nobody is to be alarmed. One that fails for another reason is a failed run.
///
/// # Errors
/// The plan's own, and those of [`recorded`].
pub async fn asked<P, R: Report, F: Future<Output = Result<R>>>(
    warehouse: &Arc<Warehouse>,
    (job, who): (&str, &str),
    plan: impl Future<Output = Result<P>>,
    work: impl FnOnce(P, String) -> F,
) -> Result<FinishedRun<R>> {
    let started_at = warehouse.clock().now();
    match plan.await {
        Err(error) if matches!(error.kind(), Kind::Invalid | Kind::NotFound) => Err(error),
        planned => ended(warehouse, (job, who, started_at), |run_id| async { work(planned?, run_id).await }).await,
    }
}

async fn ended<R: Report, F: Future<Output = Result<R>>>(
    warehouse: &Arc<Warehouse>,
    (job, who, started_at): (&str, &str, DateTime<Utc>),
    work: impl FnOnce(String) -> F,
) -> Result<FinishedRun<R>> {
    let run_id = Uuid::new_v4().to_string();
    let started_at = started_at.trunc_subsecs(6);
    let done = work(run_id.clone()).await;
    let complaint = match &done {
        Ok(report) => report.complaint().as_ref().map(without_names),
        Err(error) => Some(without_names(error)),
    };
    let changed = done.as_ref().is_ok_and(Report::changed);
    let outcome = match (&complaint, changed) {
        (Some(_), _) => Outcome::Failed,
        (None, true) => Outcome::Done,
        (None, false) => Outcome::Nothing,
    };
    let row = Row {
        run_id: &run_id,
        job,
        started_at,
        finished_at: warehouse.clock().now().trunc_subsecs(6),
        outcome,
        rows: done.as_ref().map_or(0, Report::rows),
        who,
        report: done.as_ref().ok().map(without_texts).transpose()?,
        error: complaint,
    };
    let written = match &done {
        Err(error) if error.kind() == Kind::Interrupted => Ok(()),
        _ => write(warehouse, &row, changed).await,
    };
    match (done, written) {
        (Ok(report), written) => Ok(FinishedRun { report, run_id, unrecorded: written.err() }),
        (Err(error), Ok(())) => Err(error),
        // It says it all already.
        (Err(error), Err(unwritten)) if error.is_of_store() && unwritten.is_of_store() => {
            Err(error.also("nor could the ledger of runs be written"))
        }
        (Err(error), Err(unwritten)) => Err(error.also(phrase!("and the ledger of runs could not be written ({unwritten})"))),
    }
}

/// A report as JSON, without what could name somebody.
fn without_texts(report: &impl Serialize) -> Result<String> {
    let mut report = serde_json::to_value(report)
        .map_err(|error| Error::internal("the report cannot be written as json").with_source(error))?;
    blot(&mut report);
    Ok(report.to_string())
}

async fn write(warehouse: &Arc<Warehouse>, row: &Row<'_>, changed: bool) -> Result<()> {
    if !changed && !warehouse.exists().await? {
        return Ok(());
    }
    let mut upsert = Upsert::new(warehouse, table()?, BUFFER_BYTES).await?;
    upsert.push(&batch(row)?)?;
    upsert.write().await.context(|| "cannot write to job_run").map(drop)
}

fn table() -> Result<&'static Arc<Table>> {
    known("job_run").ok_or_else(|| Error::internal("there is no table job_run"))
}

fn batch(row: &Row<'_>) -> Result<RecordBatch> {
    let label = |text: &str| label_array(std::iter::once(Some(text)));
    let text = |text: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    let moment = |moment: DateTime<Utc>| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(vec![moment.timestamp_micros()]).with_timezone(UTC.clone()))
    };
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("run_id", text(Some(row.run_id)), true),
        ("job", label(row.job), true),
        ("started_at", moment(row.started_at), true),
        ("finished_at", moment(row.finished_at), true),
        ("outcome", label(row.outcome.name()), true),
        ("rows", Arc::new(Int64Array::from(vec![i64::try_from(row.rows).ok()])) as ArrayRef, true),
        ("who", label(row.who), true),
        ("engine", label(concat!("ier ", env!("CARGO_PKG_VERSION"))), true),
        ("report", text(row.report.as_deref()), true),
        ("error", text(row.error.as_deref()), true),
    ])?)
}

/// The mark of omitted text.
const BLOT: &str = "…";

/// The form of an error in the ledger: its kind, our own words, and the harmless part of the rest.
fn without_names(error: &Error) -> String {
    let cleaned = error.message().parts().iter().map(|part| match part {
        Part::Words(words) => words.to_string(),
        Part::Value(value) => nameless(value),
    });
    match cleaned.collect::<String>() {
        cleaned if cleaned.trim() == BLOT => error.kind().name().to_owned(),
        cleaned => format!("{}: {cleaned}", error.kind().name()),
    }
}

/// Fields of reports whose texts are names of ours: tables with their tiers, kinds of errors.
const NAMES: [&str; 3] = ["table", "tier", "kind"];

/// Replaces each text in a report, except names that cannot be anybody's data.
fn blot(report: &mut Value) {
    match report {
        Value::String(text) => *text = nameless(text),
        Value::Array(values) => values.iter_mut().for_each(blot),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if NAMES.contains(&name.as_str()) && is_name(text) => {}
                    value => blot(value),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What of a value can be nobody's data: a number or a moment that is all of it, and in a text the names of our tables and
/// columns, of objects and files (without the folders that are not ours), ids that a machine made, and numbers of lines.
fn nameless(value: &str) -> String {
    if is_measure(value) || is_moment(value) {
        return value.to_owned();
    }
    let mut cleaned: Vec<String> = Vec::new();
    let mut words = value.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric())).peekable();
    while let Some(word) = words.next() {
        if COUNTED.contains(&word) && words.peek().is_some_and(|number| is_count(number)) {
            cleaned.push(format!("{word} {}", words.next().unwrap_or_default()));
        } else if is_ours(word) {
            cleaned.push(word.to_owned());
        } else if let Some(name) = file_name(word) {
            cleaned.push(name.to_owned());
        } else if cleaned.last().is_none_or(|last| last != BLOT) {
            cleaned.push(BLOT.to_owned());
        }
    }
    cleaned.join(" ")
}

/// What a number may follow that is not a person's.
const COUNTED: [&str; 5] = ["line", "row", "version", "number", "error"];
/// Digits of a number that is no telephone's.
const SHORT_DIGITS: usize = 6;

fn is_count(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b',' || byte == b'.')
}

/// A number, or some with their units, and nothing else.
fn is_measure(text: &str) -> bool {
    const UNITS: &str = " B KiB MiB GiB TiB PiB EiB ms s min h d row rows file files object objects id ids day days byte bytes ";
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let mut words = text.split(' ');
    words.next().is_some_and(is_count)
        && digits <= SHORT_DIGITS
        && words.all(|word| is_count(word) || UNITS.contains(&format!(" {word} ")))
}

/// A day, a month or a moment, and nothing else.
fn is_moment(text: &str) -> bool {
    let is_day = |text: &str| text.len() == "2026-11-28".len() && text.parse::<NaiveDate>().is_ok();
    is_day(text) || is_day(&format!("{text}-01")) || DateTime::parse_from_rfc3339(text).is_ok()
}

/// Words in lower case, such as `contact (reference)`.
fn is_name(text: &str) -> bool {
    let is_plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b' ' | b'/' | b'(' | b')');
    !text.is_empty() && text.bytes().all(is_plain)
}

/// The name of a table, of a tier, or of a column that is no word of every day; or an id no person chose.
fn is_ours(word: &str) -> bool {
    let named =
        |table: &Arc<Table>| table.name == word || word.contains('_') && table.fields.iter().any(|field| field.name == word);
    let drawn = word.len() >= 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    Role::ALL.iter().any(|role| role.folder() == word) || TABLES.iter().any(named) || drawn
}

/// What a path ends with: an object's path below the warehouse's folder, or a file's name. Nothing, where an address or an id stands.
fn file_name(word: &str) -> Option<&str> {
    const ENDINGS: [&str; 13] =
        ["arrow", "csv", "gz", "json", "jsonl", "ndjson", "parquet", "sql", "toml", "tsv", "txt", "xlsx", "zip"];
    let name = word.rsplit('/').next()?;
    let is_file = name.rsplit_once('.').is_some_and(|(stem, ending)| !stem.is_empty() && ENDINGS.contains(&ending));
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-=/".contains(&byte));
    let names_person = |name: &str| name.split(['.', '-', '_']).any(|part| SfId::parse(part).is_ok_and(|id| id.is_person()));
    if !is_file || !is_plain(name) || names_person(name) {
        return None;
    }
    let object = Role::ALL.iter().filter_map(|role| {
        let folder = format!("{}/", role.folder());
        word.match_indices(&folder).map(|(at, _)| at).find(|at| *at == 0 || word[..*at].ends_with('/'))
    });
    match object.min().map(|at| &word[at..]) {
        Some(object) if is_plain(object) => Some(object),
        _ => Some(name),
    }
}

/// The ledger's summary of one job.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct History {
    /// When the newest run began.
    pub started_at: DateTime<Utc>,
    /// When the newest run ended.
    pub finished_at: DateTime<Utc>,
    /// The newest run's outcome: `done`, `nothing` or `failed`.
    pub outcome: String,
    /// The newest run's rows.
    pub rows: u64,
    /// When the newest run that did not fail began.
    pub succeeded_started_at: Option<DateTime<Utc>>,
    /// When the newest run that did not fail ended.
    pub succeeded_at: Option<DateTime<Utc>>,
    /// How many runs have failed since then.
    pub failures: u32,
}

impl History {
    /// How long the newest run took, in seconds.
    pub fn seconds(&self) -> f64 {
        (self.finished_at - self.started_at).as_seconds_f64()
    }
}

/// What the ledger knows of each job, by name.
pub async fn histories(warehouse: &Arc<Warehouse>) -> Result<BTreeMap<String, History>> {
    let lake = warehouse.table(Role::Reference, table()?).await?;
    let mut runs: Vec<(String, History)> = Vec::new();
    for file in lake.snapshot().await?.files() {
        let columns = ["job", "outcome", "started_at", "finished_at", "rows"];
        let mut rows = read::open(&lake, file).await?.stream(Some(&columns), None)?;
        while let Some(batch) = rows.try_next().await? {
            let [jobs, outcomes] = [cast(batch.column(0), &DataType::Utf8)?, cast(batch.column(1), &DataType::Utf8)?];
            let (jobs, outcomes) = (jobs.as_string::<i32>(), outcomes.as_string::<i32>());
            let [started, finished] = [2, 3].map(|at| batch.column(at).as_primitive::<TimestampMicrosecondType>());
            let changed = batch.column(4).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let moments = [started, finished].map(|moments| DateTime::from_timestamp_micros(moments.value(row)));
                let [Some(started_at), Some(finished_at)] = moments else {
                    let path = file.path(&lake.folder);
                    return Err(Error::corrupt(phrase!("{}, row {row} of {path}: no such moment", lake.name())));
                };
                let history = History {
                    started_at,
                    finished_at,
                    outcome: outcomes.value(row).to_owned(),
                    rows: changed.is_valid(row).then(|| changed.value(row)).and_then(|rows| rows.try_into().ok()).unwrap_or(0),
                    succeeded_started_at: None,
                    succeeded_at: None,
                    failures: 0,
                };
                runs.push((jobs.value(row).to_owned(), history));
            }
        }
    }
    runs.sort_by_key(|(_, run)| (run.started_at, run.finished_at));
    let mut histories: BTreeMap<String, History> = BTreeMap::new();
    for (job, mut run) in runs {
        let before = histories.get(&job);
        if run.outcome == Outcome::Failed.name() {
            run.failures = before.map_or(0, |before| before.failures) + 1;
            run.succeeded_started_at = before.and_then(|before| before.succeeded_started_at);
            run.succeeded_at = before.and_then(|before| before.succeeded_at);
        } else {
            (run.succeeded_started_at, run.succeeded_at) = (Some(run.started_at), Some(run.finished_at));
        }
        histories.insert(job, run);
    }
    Ok(histories)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_named() {
        for (text, cleaned) in [
            ("003f400000JJbuPAAT is held", "…"),
            ("cannot read in/003f40000000001.csv", "…"),
            ("asked by ana.ortiz+x@example.edu, twice", "…"),
            ("\"ann@x\"", "…"),
            ("/home/ann/a.csv, line 12: \"Quillfeather\" is no date in date_sent", "a.csv line 12 … date_sent"),
            ("Ottoline", "…"),
            ("+1 303 555 0100", "…"),
            ("5550100", "…"),
            ("303-555-0100", "…"),
            ("003f40000051001AAA,Ottoline,Quillfeather,1971-03-04", "…"),
            (
                "srv/ann/archive/individual_email_result/sent_month=2026-05-01/part-0.parquet",
                "archive/individual_email_result/sent_month=2026-05-01/part-0.parquet",
            ),
            ("hot/Ann Peak/part-0.parquet", "… part-0.parquet"),
            ("individual_link hot", "individual_link hot"),
            ("No space left on device (os error 28)", "… error 28"),
            ("1,234", "1,234"),
            ("12.5 MiB", "12.5 MiB"),
            ("2026-05", "2026-05"),
            ("2026-05-06", "2026-05-06"),
            ("2026-11-01T15:00:00.5Z", "2026-11-01T15:00:00.5Z"),
            ("0b7c2b0e-6f0a-4c0e-9d3b-0a1b2c3d4e5f", "0b7c2b0e-6f0a-4c0e-9d3b-0a1b2c3d4e5f"),
            ("", ""),
        ] {
            assert_eq!(nameless(text), cleaned, "{text}");
        }
    }

    #[test]
    fn an_error_keeps_our_words_and_what_is_harmless() {
        let (name, place) = ("Quillfeather", "/srv/wh/hot/contact/part-0.parquet");
        for (error, cleaned) in [
            (Error::corrupt("one file is damaged"), "corrupt: one file is damaged"),
            (Error::invalid(format!("a.csv: {name} is no column")), "invalid: a.csv …"),
            (Error::invalid(phrase!("a.csv: {name} is no column")), "invalid: a.csv: … is no column"),
            (Error::not_found(format!("no {name}")), "not found"),
            (
                Error::corrupt(phrase!("{place} is short")).context(phrase!("reading {place}")),
                "corrupt: reading hot/contact/part-0.parquet: it is short",
            ),
            (Error::from(std::io::Error::from_raw_os_error(28)), "unavailable: No space left on device (os error 28)"),
        ] {
            assert_eq!(without_names(&error), cleaned);
        }
    }

    #[test]
    fn a_report_keeps_its_figures() {
        let mut report = serde_json::json!({
            "reason": "ann", "table": "gym_visits (reference)", "kind": "not found", "tables": [{ "table": "Ann", "rows": 5 }], "until": "2026-08-01",
            "purged": { "contact": { "files": 1 } }, "rejects_file": "/home/ann/r.csv",
        });
        blot(&mut report);
        let cleaned = serde_json::json!({
            "reason": "…", "table": "gym_visits (reference)", "kind": "not found", "tables": [{ "table": "…", "rows": 5 }], "until": "2026-08-01",
            "purged": { "contact": { "files": 1 } }, "rejects_file": "r.csv",
        });
        assert_eq!(report, cleaned);
    }
}
