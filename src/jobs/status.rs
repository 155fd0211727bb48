//! `ier status`: what the warehouse holds by table, tier and month, which days it covers, and what it costs compared with
//! Salesforce. Reads only logs and the ledger of loads.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;
use serde::Serialize;

use super::archive;
use crate::error::Result;
use crate::human;
use crate::lake::paths::{Role, date_of};
use crate::ledgers::coverage::{self, IerCoverage};
use crate::tiers::pin::pin;
use crate::tiers::warehouse::Warehouse;

/// What Salesforce bills for a record, in bytes.
pub const SALESFORCE_BYTES_PER_RECORD: u64 = 2048;

/// The contents of a warehouse.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// Where it is.
    pub warehouse: String,
    /// By table and tier.
    pub tables: Vec<TableStatus>,
    /// Bytes an IER takes in the archive.
    pub archive_bytes_per_ier: Option<f64>,
    /// Bytes an IER takes in Salesforce.
    pub salesforce_bytes_per_ier: u64,
    /// How far the IERs reach, by the ledger of loads.
    pub iers_loaded: Option<IerCoverage>,
}

/// One table in one tier.
#[derive(Clone, Debug, Serialize)]
pub struct TableStatus {
    /// The table.
    pub table: String,
    /// `hot`, `archive` or `reference`.
    pub tier: &'static str,
    /// Version of its log.
    pub version: Option<u64>,
    /// Rows in its files.
    pub rows: u64,
    /// Its files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows sent before this day belong to the archive.
    pub archived_until: Option<NaiveDate>,
    /// Rows in hot files that hold late rows.
    pub late_rows: u64,
    /// By month sent.
    pub months: Vec<MonthStatus>,
}

/// One month of a table in a tier.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MonthStatus {
    /// Its first day; none for rows without a date.
    pub month: Option<NaiveDate>,
    /// Rows.
    pub rows: u64,
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Reads the logs of all tables.
pub async fn status(warehouse: &Arc<Warehouse>) -> Result<Status> {
    let mut status = Status {
        warehouse: warehouse.url().to_owned(),
        salesforce_bytes_per_ier: SALESFORCE_BYTES_PER_RECORD,
        iers_loaded: coverage::of_iers(warehouse).await?,
        ..Status::default()
    };
    for lake in warehouse.existing().await? {
        let snapshot = lake.snapshot().await?;
        let mut months: BTreeMap<Option<i32>, MonthStatus> = BTreeMap::new();
        for file in snapshot.files() {
            let month = Role::Archive.partition_of(file.partition.0).0;
            let entry =
                months.entry(month).or_insert_with(|| MonthStatus { month: month.map(date_of), ..MonthStatus::default() });
            entry.rows += file.rows;
            entry.files += 1;
            entry.bytes += file.bytes();
        }
        let (mut archived_until, mut late_rows) = (None, 0);
        if lake.table.tiered {
            let pinned = pin(&warehouse.tiers(&lake.table).await?).await?;
            archived_until = pinned.archived_until().map(date_of);
            if lake.role == Role::Hot {
                late_rows = archive::late_rows(&pinned);
            }
        }
        let table = TableStatus {
            table: lake.table.name.to_string(),
            tier: lake.role.folder(),
            version: snapshot.version,
            rows: snapshot.rows(),
            files: months.values().map(|month| month.files).sum(),
            bytes: months.values().map(|month| month.bytes).sum(),
            archived_until,
            late_rows,
            months: months.into_values().collect(),
        };
        if lake.role == Role::Archive && lake.table.short == Some("ier") && table.rows > 0 {
            status.archive_bytes_per_ier = Some(table.bytes as f64 / table.rows as f64);
        }
        status.tables.push(table);
    }
    Ok(status)
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.warehouse)?;
        if self.tables.is_empty() {
            return write!(f, "empty: `ier load FILE` brings exports in, `ier demo` shows how");
        }
        let width = self.tables.iter().map(|table| table.table.len()).max().unwrap_or(0);
        write!(f, "{:width$}  {:9}  {:>13}  {:>7}  {:>11}  months", "table", "tier", "rows", "files", "bytes")?;
        for table in &self.tables {
            let span: Vec<NaiveDate> = table.months.iter().filter_map(|month| month.month).collect();
            let months = match (span.first(), span.last()) {
                (Some(first), Some(last)) if first == last => first.format("%Y-%m").to_string(),
                (Some(first), Some(last)) => format!("{} to {}", first.format("%Y-%m"), last.format("%Y-%m")),
                _ => String::new(),
            };
            let (rows, files, bytes) = (human::count(table.rows), human::count(table.files), human::bytes(table.bytes));
            write!(f, "\n{:width$}  {:9}  {rows:>13}  {files:>7}  {bytes:>11}  {months}", table.table, table.tier)?;
        }
        self.write_months(f)?;
        for table in self.tables.iter().filter(|table| table.tier == Role::Archive.folder()) {
            if let Some(until) = table.archived_until {
                write!(f, "\n{}: rows sent before {until} are archived", table.table)?;
            }
        }
        for table in self.tables.iter().filter(|table| table.late_rows > 0) {
            write!(
                f,
                "\n{}: up to {} late, waiting for the next `ier archive`",
                table.table,
                human::counted(table.late_rows, "row")
            )?;
        }
        if let Some(loaded) = &self.iers_loaded {
            write!(f, "\nIERs come from {}", human::counted(loaded.files, "file"))?;
            if let (Some(first), Some(last)) = (loaded.first_sent, loaded.last_sent) {
                write!(f, ", sent {} to {}", human::moment(first), human::moment(last))?;
            }
        }
        if let Some(bytes) = self.archive_bytes_per_ier {
            let times = self.salesforce_bytes_per_ier as f64 / bytes;
            write!(
                f,
                "\nan archived IER takes {bytes:.1} bytes; in Salesforce it costs {}: {times:.0} times as much",
                human::bytes(self.salesforce_bytes_per_ier)
            )?;
        }
        Ok(())
    }
}

impl Status {
    /// The tiered tables month by month.
    fn write_months(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in self.tables.iter().filter(|table| table.tier != Role::Reference.folder()) {
            write!(f, "\n\n{} {} by month", table.tier, table.table)?;
            for month in &table.months {
                let name = month.month.map_or_else(|| "no date".to_owned(), |month| month.format("%Y-%m").to_string());
                let (rows, files, bytes) = (human::count(month.rows), human::count(month.files), human::bytes(month.bytes));
                let plural = |count: u64| if count == 1 { ' ' } else { 's' };
                let (row, file) = (plural(month.rows), plural(month.files));
                write!(f, "\n  {name}  {rows:>13} row{row}  {files:>5} file{file}  {bytes:>11}")?;
            }
        }
        if self.tables.iter().any(|table| table.tier != Role::Reference.folder()) {
            writeln!(f)?;
        }
        Ok(())
    }
}
