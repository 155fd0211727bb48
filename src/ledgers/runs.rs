//! The ledger of runs: what each job did, when, for whom, and how it ended, as rows of `job_run`.
//!
//! A row is written when the run ends, after everything the run committed: a row never tells of what did not happen. A run that
//! was killed, or stopped by its user, leaves none; what it had committed stands all the same, and the next run of the job
//! finishes it. A dry run leaves none. Where nothing is under the root yet, a run that changed nothing leaves none either: a
//! mistyped name would become a warehouse.
//!
//! Rows are added by an upsert under a number nobody else uses, so runs that end at once only commit one after the other.
//!
//! **Invariant**: a row names nobody. Reports and errors are not supposed to; ids of people and addresses in them are blotted
//! out all the same.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use chrono::{DateTime, SubsecRound, Utc};
use futures::TryStreamExt;
use serde::Serialize;
use uuid::Uuid;

use crate::error::{Context, Error, Kind, Result};
use crate::lake::paths::Role;
use crate::lake::read;
use crate::record::fields::{Table, UTC, known};
use crate::record::id::SfId;
use crate::record::key::label_array;
use crate::tiers::upsert::Upsert;
use crate::tiers::warehouse::Warehouse;

/// One row on its way.
const BUFFER_BYTES: usize = 4 << 20;

/// What a job says it did: for people, for machines, and in figures the ledger keeps.
pub trait Report: Serialize + fmt::Display {
    /// Rows it changed, moved or wrote anew; 0 for a job that has none.
    fn rows(&self) -> u64;

    /// Did it change anything?
    fn changed(&self) -> bool;

    /// Why the run counts as failed although it came to its end: whoever scheduled it must hear.
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
    /// The word that stands in the ledger.
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
pub struct Ended<R> {
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
/// The work's own error, which also says so where the ledger could not be told.
pub async fn recorded<R: Report, F: Future<Output = Result<R>>>(
    warehouse: &Arc<Warehouse>,
    job: &str,
    who: &str,
    work: impl FnOnce(String) -> F,
) -> Result<Ended<R>> {
    let run_id = Uuid::new_v4().to_string();
    let started_at = warehouse.clock().now().trunc_subsecs(6);
    let done = work(run_id.clone()).await;
    let complaint = match &done {
        Ok(report) => report.complaint().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
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
        report: done.as_ref().ok().map(as_json).transpose()?.map(|report| without_people(&report)),
        error: complaint.map(|error| without_people(&error)),
    };
    let written = match &done {
        Err(error) if error.kind() == Kind::Interrupted => Ok(()),
        _ => write(warehouse, &row, changed).await,
    };
    match (done, written) {
        (Ok(report), written) => Ok(Ended { report, run_id, unrecorded: written.err() }),
        (Err(error), Ok(())) => Err(error),
        // It says it all already.
        (Err(error), Err(unwritten)) if error.is_of_store() && unwritten.is_of_store() => {
            Err(error.also("nor could the ledger of runs be told"))
        }
        (Err(error), Err(unwritten)) => Err(error.also(format!("and the ledger of runs could not be told ({unwritten})"))),
    }
}

fn as_json(report: &impl Serialize) -> Result<String> {
    serde_json::to_string(report).map_err(|error| Error::internal("the report cannot be written as json").with_source(error))
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

/// The text with people's ids and addresses blotted out.
fn without_people(text: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || "@._%+-".contains(c);
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        let end = rest[start..].find(|c| !is_part(c)).map_or(rest.len(), |end| start + end);
        let word = &rest[start..end];
        told.push_str(&rest[..start]);
        match word.contains('@') {
            true => told.push('…'),
            false => told.push_str(&without_ids(word)),
        }
        rest = &rest[end..];
    }
    told + rest
}

/// A word without the ids of people among its parts.
fn without_ids(word: &str) -> String {
    let is_person = |part: &str| SfId::parse(part).is_ok_and(|id| id.is_person());
    let parts = word.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).map(|part| {
        let id = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if is_person(id) { part.replace(id, "…") } else { part.to_owned() }
    });
    parts.collect()
}

/// What the ledger knows of one job.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct History {
    /// The newest run's beginning,
    pub started_at: DateTime<Utc>,
    /// its end,
    pub finished_at: DateTime<Utc>,
    /// how it ended: `done`, `nothing` or `failed`,
    pub outcome: String,
    /// and its rows.
    pub rows: u64,
    /// Beginning of the newest run that did not fail.
    pub succeeded_started_at: Option<DateTime<Utc>>,
    /// Its end.
    pub succeeded_at: Option<DateTime<Utc>>,
    /// Runs that failed since.
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
                    return Err(Error::corrupt(format!("{}, row {row} of {path}: no such moment", lake.name())));
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
        for (text, told) in [
            ("003f400000JJbuPAAT is held", "… is held"),
            (r#"{"ids":["00Qf40000000001EAA","a0Bf40000000003EAA"]}"#, r#"{"ids":["…","a0Bf40000000003EAA"]}"#),
            ("cannot read in/003f40000000001.csv", "cannot read in/….csv"),
            ("asked by ana.ortiz+x@example.edu, twice", "asked by …, twice"),
            ("\"ann@x\"", "\"…\""),
            ("archive/individual_email_result/sent_month=2026-05-01/part-0.parquet", ""),
            ("", ""),
        ] {
            let told = if told.is_empty() { text } else { told };
            assert_eq!(without_people(text), told);
        }
    }
}
