//! `ier reconcile`: checks that the books balance and that every record is stored once. Changes nothing without `--repair`.
//!
//! For IERs and links, month by month: rows taken in = rows in hot + in the archive + erased + expired + given up. The left side
//! and the last three come from tallies that were committed with the rows themselves ([`crate::lake::log::tally`]). The rows in
//! hot and in the archive are counted from the files, so a row lost or doubled anywhere shows. By the ledger of loads: rows read
//! = rows rejected + records + further versions of them. The counters of each send are compared with its records, and the report
//! gives the reason of a difference. Records stored more than once are found by their keys, and merged where that is asked for
//! ([`super::repair`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use datafusion::common::ParamValues;
use futures::TryStreamExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::repair::{self, Doubled};
use crate::audit::facts::deserialized;
use crate::error::{Error, Result};
use crate::human;
use crate::lake::log::commit::ATTEMPTS;
use crate::lake::log::tally::{self, Tally};
use crate::ledgers::runs::Report;
use crate::progress::{Progress, Unit};
use crate::query::engine::Engine;
use crate::record::fields::known;
use crate::tiers::warehouse::{Tiers, Warehouse};

const LOADED: &str = include_str!("../../sql/reconcile/loaded.sql");
const SENDS: &str = include_str!("../../sql/reconcile/sends.sql");

/// The tables whose rows are counted, and how.
const COUNTED: [(&str, &str); 2] = [
    ("individual_email_result", include_str!("../../sql/reconcile/iers.sql")),
    ("individual_link", include_str!("../../sql/reconcile/links.sql")),
];

/// The report of a run.
#[derive(Clone, Debug, Serialize)]
pub struct ReconcileReport {
    /// Records stored more than once, by table; before any were repaired.
    pub doubled: Vec<Doubled>,
    /// By table, after any repair.
    pub objects: Vec<ObjectReport>,
    /// Sends by how their counters and their records compare.
    pub sends: Vec<SendsReport>,
}

/// One table's rows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ObjectReport {
    /// The table.
    pub object: String,
    /// Files loaded into it.
    pub files: i64,
    /// Rows read from them.
    pub rows_read: i64,
    /// Of these: rejected.
    pub rows_rejected: i64,
    /// All months together.
    pub total: MonthReport,
    /// By month sent.
    pub months: Vec<MonthReport>,
}

/// One month's rows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MonthReport {
    /// The month; `none` for rows without a date.
    pub month: String,
    /// Rows taken in.
    pub taken_in: i64,
    /// Rows in hot.
    pub hot: i64,
    /// Rows in the archive.
    pub archive: i64,
    /// Rows erased on request.
    pub erased: i64,
    /// Rows retention removed.
    pub expired: i64,
    /// Rows in files that were given up.
    pub given_up: i64,
    /// Rows there are beyond those there should be; below zero, rows that are missing.
    pub difference: i64,
}

/// Sends for which the comparison of counters and records has the same result.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SendsReport {
    /// `agree`, or why not.
    pub explanation: String,
    /// How many.
    pub sends: i64,
    /// Mails they counted.
    pub number_sent: i64,
    /// Records there are, or were until retention.
    pub iers: i64,
}

impl ReconcileReport {
    /// Months that do not balance: table and month.
    pub fn unbalanced(&self) -> impl Iterator<Item = (&str, &MonthReport)> {
        self.objects.iter().flat_map(|object| {
            object.months.iter().filter(|month| month.difference != 0).map(|month| (object.object.as_str(), month))
        })
    }

    /// An error that names what is wrong: months that do not balance, and records stored more than once.
    pub fn check(&self) -> Result<()> {
        let doubled: Vec<String> = self.doubled.iter().filter(|doubled| doubled.mended == 0).map(Doubled::headline).collect();
        if !doubled.is_empty() {
            return Err(Error::corrupt(phrase!(
                "{}: `ier reconcile --repair --confirm` makes one row of each",
                doubled.join("; ")
            )));
        }
        let wrong: Vec<String> = self.unbalanced().map(|(object, month)| format!("{object} {}", month.month)).collect();
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::corrupt(phrase!("the books do not balance for {}: `ier verify` looks at every file", wrong.join(", "))))
    }
}

impl Report for ReconcileReport {
    /// Rows that were made one each.
    fn rows(&self) -> u64 {
        self.doubled.iter().filter(|doubled| doubled.mended > 0).map(|doubled| doubled.copies).sum()
    }

    fn changed(&self) -> bool {
        self.rows() > 0
    }

    fn complaint(&self) -> Option<Error> {
        self.check().err()
    }
}

impl fmt::Display for ReconcileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A column for what hardly ever happens is shown where it has.
        let gave_up = self.objects.iter().flat_map(|object| &object.months).any(|month| month.given_up != 0);
        let given_up = gave_up.then_some("given up");
        write!(f, "{:32}", "rows")?;
        let mut titles = ["taken in", "hot", "archive", "erased", "expired"].into_iter().chain(given_up).chain(["difference"]);
        titles.try_for_each(|title| write!(f, "  {title:>12}"))?;
        for object in &self.objects {
            write_row(f, &object.object, &object.total, gave_up)?;
            for month in object.months.iter().filter(|month| month.difference != 0) {
                write_row(f, &format!("  {}", month.month), month, gave_up)?;
            }
        }
        for object in self.objects.iter().filter(|object| object.files > 0) {
            let further = object.rows_read - object.rows_rejected - object.total.taken_in;
            write!(
                f,
                "\n{}: {} read from {}: {} rejected, {} records, {} further versions of them",
                object.object,
                human::counted(object.rows_read.max(0) as u64, "row"),
                human::counted(object.files.max(0) as u64, "file"),
                human::count(object.rows_rejected.max(0) as u64),
                human::count(object.total.taken_in.max(0) as u64),
                human::count(further.max(0) as u64),
            )?;
        }
        let sends: i64 = self.sends.iter().map(|group| group.sends).sum();
        write!(f, "\n{} with counters of their own", human::counted(sends.max(0) as u64, "send"))?;
        for group in &self.sends {
            let [number, sent, iers] =
                [group.sends, group.number_sent, group.iers].map(|number| human::count(number.max(0) as u64));
            write!(f, "\n  {number:>8}  {} (sent {sent}, records {iers})", group.explanation)?;
        }
        for line in self.doubled.iter().flat_map(Doubled::lines) {
            write!(f, "\n{line}")?;
        }
        match self.unbalanced().count() {
            0 if gave_up => write!(f, "\nthe books balance: every row taken in is here, erased, expired or given up"),
            0 => write!(f, "\nthe books balance: every row taken in is here, erased or expired"),
            months => write!(f, "\nthe books do not balance in {}", human::counted(months as u64, "month")),
        }
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, name: &str, row: &MonthReport, gave_up: bool) -> fmt::Result {
    write!(f, "\n{name:32}")?;
    let given_up = gave_up.then_some(row.given_up);
    let mut numbers =
        [row.taken_in, row.hot, row.archive, row.erased, row.expired].into_iter().chain(given_up).chain([row.difference]);
    numbers.try_for_each(|number| {
        let sign = if number < 0 { "-" } else { "" };
        write!(f, "  {:>12}", format!("{sign}{}", human::count(number.unsigned_abs())))
    })
}

/// Compares the stored rows with those taken in, and the sends with their records. With `repair` it first merges the copies of
/// each record that is stored more than once.
///
/// # Errors
/// Conflict when the tables change all the time while they are counted.
pub async fn reconcile(
    warehouse: &Arc<Warehouse>,
    engine: &Engine,
    repair: bool,
    progress: &Arc<dyn Progress>,
) -> Result<ReconcileReport> {
    #[derive(Deserialize)]
    struct Loaded {
        object: String,
        files: i64,
        rows_read: i64,
        rows_rejected: i64,
    }
    let mut doubled = repair::find(warehouse, progress).await?;
    if repair {
        repair::repair(warehouse, &mut doubled, progress).await?;
    }
    progress.say("holding the books against the rows");
    progress.count(Unit::Rows, 0);
    let loaded: Vec<Loaded> = rows(engine, LOADED).await?;
    let mut objects = Vec::new();
    for (name, sql) in COUNTED {
        let months = months(warehouse, engine, name, sql).await?;
        let mut object = ObjectReport { object: name.to_owned(), total: total(&months), months, ..ObjectReport::default() };
        if let Some(loaded) = loaded.iter().find(|loaded| loaded.object == name) {
            (object.files, object.rows_read, object.rows_rejected) = (loaded.files, loaded.rows_read, loaded.rows_rejected);
        }
        objects.push(object);
    }
    Ok(ReconcileReport { doubled, objects, sends: rows(engine, SENDS).await? })
}

fn total(months: &[MonthReport]) -> MonthReport {
    let sum = |of: fn(&MonthReport) -> i64| months.iter().map(of).sum();
    MonthReport {
        month: "all".to_owned(),
        taken_in: sum(|month| month.taken_in),
        hot: sum(|month| month.hot),
        archive: sum(|month| month.archive),
        erased: sum(|month| month.erased),
        expired: sum(|month| month.expired),
        given_up: sum(|month| month.given_up),
        difference: sum(|month| month.difference),
    }
}

/// A table's months, tallies and rows read at one moment: again when a commit came between.
async fn months(warehouse: &Arc<Warehouse>, engine: &Engine, name: &str, sql: &str) -> Result<Vec<MonthReport>> {
    #[derive(Deserialize)]
    struct MonthCounts {
        month: String,
        hot: i64,
        archive: i64,
    }
    let table = known(name).ok_or_else(|| Error::internal(phrase!("there is no table {name}")))?;
    let tiers = warehouse.tiers(table).await?;
    for _ in 0..ATTEMPTS {
        let (before, tally) = tallied(&tiers).await?;
        let there: Vec<MonthCounts> = rows(engine, sql).await?;
        if versions(&tiers).await? != before {
            continue;
        }
        let there: BTreeMap<&str, &MonthCounts> = there.iter().map(|row| (row.month.as_str(), row)).collect();
        let counts: BTreeMap<&str, tally::Counts> = tally.months().collect();
        let names: BTreeSet<&str> = there.keys().chain(counts.keys()).copied().collect();
        let month = |name: &str| {
            let counts = counts.get(name).copied().unwrap_or_default();
            let (hot, archive) = there.get(name).map_or((0, 0), |row| (row.hot, row.archive));
            MonthReport {
                month: name.to_owned(),
                taken_in: counts.taken_in,
                hot,
                archive,
                erased: counts.erased,
                expired: counts.expired,
                given_up: counts.given_up,
                difference: hot + archive - counts.left(),
            }
        };
        return Ok(names.into_iter().map(month).collect());
    }
    Err(Error::conflict(phrase!("{name} is changed by others all the time: try again when they are done")))
}

/// Versions of hot and archive, and both tallies together.
async fn tallied(tiers: &Tiers) -> Result<((Option<u64>, Option<u64>), Tally)> {
    let (hot, archive) = (tiers.hot.snapshot().await?, tiers.archive.snapshot().await?);
    let mut both = tally::read(&tiers.hot, &hot).await?;
    both.add(&tally::read(&tiers.archive, &archive).await?);
    Ok(((hot.version, archive.version), both))
}

async fn versions(tiers: &Tiers) -> Result<(Option<u64>, Option<u64>)> {
    Ok((tiers.hot.snapshot().await?.version, tiers.archive.snapshot().await?.version))
}

async fn rows<T: DeserializeOwned>(engine: &Engine, sql: &str) -> Result<Vec<T>> {
    let batches: Vec<_> = engine.sql_within(sql, ParamValues::List(Vec::new())).await?.try_collect().await?;
    deserialized(&batches)
}
