//! Decides whether the machine's clock can be believed.
//!
//! **Why.** The clock decides what expires, what is deleted and what belongs to the archive. A machine whose clock is ten years
//! ahead would otherwise remove every record.
//!
//! No program knows what time it is, but the warehouse knows how far time had come when something last happened:
//! - **Records** carry Salesforce's times: the newest `SystemModstamp` ever loaded (for files without one, the newest date sent
//!   that was not after the load).
//! - **Runs and loads** carry times of our clock: runs in `job_run`, files in `load_coverage`. A run under a wrong clock leaves a
//!   time, too. So these times are believed only as a chain: the first is believed, and then each that follows a believed one by
//!   not more than [`AHEAD_DAYS`]. A machine whose clock jumped proves nothing by going on.
//! - **A person** may confirm the clock. That is a run of its own in `job_run`, `clock`, and is believed; later times that it
//!   overruled count no more. So a warehouse that was not used for half a year needs one confirmation, once.
//!
//! Every job that depends on the clock refuses one that is more than [`AHEAD_DAYS`] past all that, or more than [`BEHIND_DAYS`]
//! before it. A warehouse in which nothing ever happened has no evidence, and nothing to lose.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use chrono::{DateTime, Duration, Utc};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::lake::paths::Role;
use crate::lake::read;
use crate::ledgers::runs::{Report, recorded};
use crate::record::fields::known;
use crate::tiers::warehouse::Warehouse;

/// A clock so many days past the newest thing known is refused. Longer than a month, so that what runs monthly goes on by itself;
/// short beside any term records are kept for.
const AHEAD_DAYS: i64 = 42;

/// A clock so many days before the newest thing known is refused. Times read in a wrong zone are off by less.
const BEHIND_DAYS: i64 = 1;

/// The name of a confirmation in the ledger of runs.
const JOB: &str = "clock";

/// A person's confirmation that the clock is right.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Confirmation {
    /// The time it was then.
    pub now: DateTime<Utc>,
    /// The newest thing known until then, where it spoke against the clock.
    pub overrules: Option<DateTime<Utc>>,
}

impl fmt::Display for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the clock is right at {}", formatted(self.now))
    }
}

impl Report for Confirmation {
    fn rows(&self) -> u64 {
        0
    }

    fn changed(&self) -> bool {
        true
    }
}

fn formatted(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// The evidence for and against a clock.
#[derive(Clone, Debug, Default)]
struct Evidence {
    /// The newest time that came from outside.
    newest_record: Option<DateTime<Utc>>,
    /// Times of our own clock.
    happened: Vec<DateTime<Utc>>,
    /// What persons said.
    confirmed: Vec<Confirmation>,
}

impl Evidence {
    /// How far time had come when the newest thing happened that is to be believed; none where nothing ever did.
    fn reached(&self) -> Option<DateTime<Utc>> {
        let overruled = |moment: &DateTime<Utc>| {
            self.confirmed.iter().any(|word| *moment > word.now && word.overrules.is_some_and(|until| *moment <= until))
        };
        let mut happened: Vec<DateTime<Utc>> = self.happened.iter().copied().filter(|moment| !overruled(moment)).collect();
        happened.sort_unstable();
        let confirmed = self.confirmed.iter().map(|word| word.now);
        let known = confirmed.chain(self.newest_record).filter(|moment| !overruled(moment));
        let mut reached = known.chain(happened.first().copied()).max()?;
        for moment in happened {
            if moment > reached && moment - reached <= Duration::days(AHEAD_DAYS) {
                reached = moment;
            }
        }
        Some(reached)
    }

    /// Why a clock that says `now` is not to be believed.
    fn against(&self, now: DateTime<Utc>) -> Option<String> {
        let reached = self.reached()?;
        let ahead = now.signed_duration_since(reached);
        let what = if ahead > Duration::days(AHEAD_DAYS) {
            format!("{} days after", ahead.num_days())
        } else if ahead < -Duration::days(BEHIND_DAYS) {
            format!("{} days before", -ahead.num_days())
        } else {
            return None;
        };
        Some(format!(
            "the clock says {}, {what} the newest load, run or record that is known here, of {}",
            formatted(now),
            formatted(reached)
        ))
    }
}

/// Refuses to go by a clock that is not to be believed; `what` is what would have been done.
///
/// # Errors
/// Invalid when the clock is far past everything that is known, or before it. Otherwise as reading the two ledgers fails.
pub async fn check(warehouse: &Arc<Warehouse>, what: &str) -> Result<()> {
    match evidence(warehouse).await?.against(warehouse.clock().now()) {
        None => Ok(()),
        Some(against) => Err(Error::invalid(phrase!(
            "{against}: {what} goes by the clock, and does nothing by one that may be wrong; set the clock, or say once that it is \
             right: --clock-is-right"
        ))),
    }
}

/// Records a person's confirmation that the clock is right, if one is needed, so that the next run knows it.
///
/// # Errors
/// As reading the ledgers fails, or writing to that of runs.
pub async fn confirm(warehouse: &Arc<Warehouse>, who: &str) -> Result<()> {
    let evidence = evidence(warehouse).await?;
    let now = warehouse.clock().now();
    if evidence.against(now).is_none() {
        return Ok(());
    }
    let overrules = evidence.happened.iter().copied().chain(evidence.reached()).max().filter(|newest| *newest > now);
    let ended = recorded(warehouse, JOB, who, |_| async move { Ok(Confirmation { now, overrules }) }).await?;
    ended.unrecorded.map_or(Ok(()), |error| Err(error.context("cannot write down that the clock is right")))
}

async fn evidence(warehouse: &Arc<Warehouse>) -> Result<Evidence> {
    let mut evidence = Evidence::default();
    each(warehouse, "load_coverage", &["loaded_at", "highest_modstamp", "last_sent"], |batch| {
        for row in 0..batch.num_rows() {
            let [loaded, modstamp, sent] = [0, 1, 2].map(|at| moment(batch, at, row));
            evidence.happened.extend(loaded);
            // What is to be sent later than it was loaded is a slip of somebody's finger.
            let sent = sent
                .filter(|sent| loaded.is_some_and(|loaded| sent.signed_duration_since(loaded) <= Duration::days(BEHIND_DAYS)));
            evidence.newest_record = evidence.newest_record.max(modstamp.or(sent));
        }
        Ok(false)
    })
    .await?;
    let mut words: Vec<(Arc<LakeTable>, Arc<DataFile>)> = Vec::new();
    let vouching = each(warehouse, "job_run", &["started_at", "job"], |batch| {
        evidence.happened.extend((0..batch.num_rows()).filter_map(|row| moment(batch, 0, row)));
        Ok(text(batch, 1)?.iter().flatten().any(|job| job == JOB))
    });
    words.extend(vouching.await?);
    // Reports are long: they are read only where a person's word is among them.
    for (lake, file) in words {
        let mut rows = read::open(&lake, &file).await?.stream(Some(&["job", "report"]), None)?;
        while let Some(batch) = rows.try_next().await? {
            let (jobs, reports) = (text(&batch, 0)?, text(&batch, 1)?);
            let words = (0..batch.num_rows()).filter(|&row| jobs.value(row) == JOB && reports.is_valid(row));
            evidence.confirmed.extend(words.filter_map(|row| serde_json::from_str::<Confirmation>(reports.value(row)).ok()));
        }
    }
    Ok(evidence)
}

/// Shows every batch of a ledger; returns the files of those for which `look` said so.
async fn each(
    warehouse: &Arc<Warehouse>,
    ledger: &str,
    columns: &[&str],
    mut look: impl FnMut(&RecordBatch) -> Result<bool>,
) -> Result<Vec<(Arc<LakeTable>, Arc<DataFile>)>> {
    let table = known(ledger).ok_or_else(|| Error::internal(phrase!("there is no table {ledger}")))?;
    let lake = warehouse.table(Role::Reference, table).await?;
    for _ in 0..TRIES {
        let (mut found, snapshot) = (Vec::new(), lake.snapshot().await?);
        match files(&lake, &snapshot, columns, &mut look, &mut found).await {
            // Replaced by another run, and swept, since it was listed. What was looked at already is looked at twice.
            Err(error) if error.is_missing() && lake.snapshot().await?.version != snapshot.version => {}
            done => return done.map(|()| found),
        }
    }
    Err(Error::conflict(phrase!("{} is changed by others all the time: try again", lake.name())))
}

/// How often a ledger may be changed under a reader.
const TRIES: usize = 20;

async fn files(
    lake: &Arc<LakeTable>,
    snapshot: &crate::lake::log::snapshot::Snapshot,
    columns: &[&str],
    look: &mut impl FnMut(&RecordBatch) -> Result<bool>,
    found: &mut Vec<(Arc<LakeTable>, Arc<DataFile>)>,
) -> Result<()> {
    for file in snapshot.files() {
        let mut rows = read::open(lake, file).await?.stream(Some(columns), None)?;
        let mut wanted = false;
        while let Some(batch) = rows.try_next().await? {
            wanted |= look(&batch)?;
        }
        if wanted {
            found.push((lake.clone(), file.clone()));
        }
    }
    Ok(())
}

fn moment(batch: &RecordBatch, column: usize, row: usize) -> Option<DateTime<Utc>> {
    let moments = batch.column(column).as_primitive_opt::<TimestampMicrosecondType>()?;
    moments.is_valid(row).then(|| DateTime::from_timestamp_micros(moments.value(row))).flatten()
}

fn text(batch: &RecordBatch, column: usize) -> Result<arrow::array::StringArray> {
    Ok(cast(batch.column(column), &DataType::Utf8)?.as_string::<i32>().clone())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(day: &str) -> DateTime<Utc> {
        day.parse::<chrono::NaiveDate>().unwrap().and_hms_opt(12, 0, 0).unwrap().and_utc()
    }

    fn evidence(record: Option<&str>, happened: &[&str]) -> Evidence {
        Evidence { newest_record: record.map(at), happened: happened.iter().map(|day| at(day)).collect(), confirmed: Vec::new() }
    }

    fn confirmed(mut evidence: Evidence, now: &str, overrules: Option<&str>) -> Evidence {
        evidence.confirmed.push(Confirmation { now: at(now), overrules: overrules.map(at) });
        evidence
    }

    fn believed(evidence: &Evidence, now: &str) -> bool {
        evidence.against(at(now)).is_none()
    }

    #[test]
    fn time_that_passes_in_small_steps_is_believed() {
        let yearly = evidence(None, &["2026-01-01", "2026-02-05", "2026-03-18", "2026-04-20"]);
        assert!(believed(&yearly, "2026-05-30") && !believed(&yearly, "2026-06-02"));
        assert!(believed(&yearly, "2026-04-19") && !believed(&yearly, "2026-04-18"));
        assert!(believed(&Evidence::default(), "2036-01-01"), "where nothing happened there is nothing to lose");
        assert!(believed(&evidence(Some("2016-01-01"), &["2026-01-01"]), "2026-01-02"), "old exports, loaded for the first time");
    }

    #[test]
    fn a_clock_that_jumped_vouches_for_nothing_by_going_on() {
        let jumped = evidence(Some("2026-11-01"), &["2026-10-01", "2026-11-01", "2036-11-01", "2036-11-02"]);
        assert!(!believed(&jumped, "2036-11-03"));
        assert!(believed(&jumped, "2026-11-02"), "and is forgotten when it is set right");
        let loaded = evidence(Some("2036-11-01"), &["2026-11-01", "2036-11-02"]);
        assert!(believed(&loaded, "2036-11-03"), "records of that time are from outside");
    }

    #[test]
    fn a_persons_word_holds_until_another_overrules_it() {
        let idle = evidence(Some("2026-01-01"), &["2026-01-01"]);
        assert!(!believed(&idle, "2026-07-01"));
        let said = confirmed(idle, "2026-07-01", None);
        assert!(believed(&said, "2026-07-02") && !believed(&said, "2026-09-01"));
        // It was said at a clock that was wrong, and found out later.
        let wrong = confirmed(evidence(Some("2026-01-01"), &["2026-01-01", "2036-01-01"]), "2036-01-01", None);
        assert!(!believed(&wrong, "2026-01-02"));
        let right = confirmed(wrong, "2026-01-02", Some("2036-01-01"));
        assert!(believed(&right, "2026-01-03") && !believed(&right, "2036-01-02"));
    }
}
