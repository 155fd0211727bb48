//! `ier compact`: a month of many or overlapping archive files becomes few sorted ones that do not overlap.
//!
//! Changes no answer: the same rows, in other files, one commit a month. Safe to run twice and beside other jobs: a month
//! that changed meanwhile is left for the next run.

use std::fmt;
use std::sync::{Arc, Mutex};

use chrono::NaiveDate;
use datafusion::common::ScalarValue;
use serde::Serialize;

use super::archive::sum_of;
use crate::error::{Error, Result};
use crate::human;
use crate::lake::commit::{Change, commit, lost_race};
use crate::lake::fold::{Changes, fold_through};
use crate::lake::layout::FILE_BYTES;
use crate::lake::parallel::in_parallel;
use crate::lake::paths::{Role, date_of};
use crate::lake::snapshot::{DataFile, Partition};
use crate::lake::table::LakeTable;
use crate::lake::verify::{RowSum, read_back, summed};
use crate::progress::Progress;
use crate::record::fields::TABLES;
use crate::tiers::warehouse::Warehouse;

/// What a run would do.
#[derive(Clone, Debug, Serialize)]
pub struct CompactPlan {
    /// Months that need it.
    pub months: Vec<MonthPlan>,
}

/// One month of one table.
#[derive(Clone, Debug, Serialize)]
pub struct MonthPlan {
    /// The table.
    pub table: String,
    /// The month's first day; none for rows without a date.
    pub month: Option<NaiveDate>,
    /// Its files.
    pub files: u64,
    /// Their rows.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a run did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CompactReport {
    /// Months made anew.
    pub months: u64,
    /// Months left for the next run because they changed meanwhile.
    pub months_left: u64,
    /// Files and bytes before.
    pub files_before: u64,
    /// Bytes before.
    pub bytes_before: u64,
    /// Files after.
    pub files_after: u64,
    /// Bytes after.
    pub bytes_after: u64,
    /// Rows in them.
    pub rows: u64,
    /// How long it took.
    pub seconds: f64,
}

impl fmt::Display for CompactPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.months.is_empty() {
            return f.write_str("nothing to compact: every month is in few, sorted files");
        }
        write!(f, "compact {}", human::counted(self.months.len() as u64, "month"))?;
        for month in &self.months {
            let name = month.month.map_or_else(|| "without date".to_owned(), |month| month.format("%Y-%m").to_string());
            let files = human::counted(month.files, "file");
            write!(f, "\n{} {name}: {files}, {}, {}", month.table, human::counted(month.rows, "row"), human::bytes(month.bytes))?;
        }
        Ok(())
    }
}

impl fmt::Display for CompactReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.months + self.months_left == 0 {
            return f.write_str("nothing to compact: every month is in few, sorted files");
        }
        write!(
            f,
            "compacted {} in {}: {} became {}, {} became {}",
            human::counted(self.months, "month"),
            human::seconds(self.seconds),
            human::counted(self.files_before, "file"),
            human::count(self.files_after),
            human::bytes(self.bytes_before),
            human::bytes(self.bytes_after),
        )?;
        if self.months_left > 0 {
            write!(f, "\n{} changed meanwhile and wait for the next run", human::counted(self.months_left, "month"))?;
        }
        Ok(())
    }
}

/// Looks for months whose files overlap, or of which two would fit into one.
pub async fn plan(warehouse: &Arc<Warehouse>) -> Result<CompactPlan> {
    let mut months = Vec::new();
    for table in TABLES.iter().filter(|table| table.tiered) {
        let archive = warehouse.table(Role::Archive, table).await?;
        for (partition, files) in &archive.snapshot().await?.partitions {
            if needs_it(files) {
                months.push(MonthPlan {
                    table: table.name.to_string(),
                    month: partition.0.map(date_of),
                    files: files.len() as u64,
                    rows: files.iter().map(|file| file.rows).sum(),
                    bytes: files.iter().map(|file| file.bytes()).sum(),
                });
            }
        }
    }
    Ok(CompactPlan { months })
}

fn needs_it(files: &[Arc<DataFile>]) -> bool {
    if files.len() < 2 {
        return false;
    }
    let mut ranges: Vec<Option<(&str, &str)>> = files
        .iter()
        .map(|file| match file.ranges.get("person_id").map(|range| (&range.min, &range.max)) {
            Some((ScalarValue::Utf8View(Some(min)), ScalarValue::Utf8View(Some(max)))) => Some((min.as_str(), max.as_str())),
            _ => None,
        })
        .collect();
    ranges.sort();
    // Two neighbours may share the person at whom one file ended.
    let overlap =
        ranges.windows(2).any(|pair| matches!(pair, [Some((_, end)), Some((start, _))] if end > start) || pair[1].is_none());
    let small = files.iter().filter(|file| file.bytes() < FILE_BYTES / 2).count();
    overlap || small > 1
}

/// Does what was planned, month by month.
pub async fn execute(warehouse: &Arc<Warehouse>, plan: CompactPlan, progress: Arc<dyn Progress>) -> Result<CompactReport> {
    let started = warehouse.clock().now();
    progress.say("compacting");
    progress.total(plan.months.iter().map(|month| month.rows).sum());
    let house = warehouse.clone();
    let done = in_parallel(plan.months, move |month| {
        let (warehouse, progress) = (house.clone(), progress.clone());
        async move { compact_month(&warehouse, month, &progress).await }
    })
    .await?;
    let mut report = CompactReport::default();
    for month in done {
        match month {
            None => report.months_left += 1,
            Some(month) => {
                report.months += 1;
                report.files_before += month.files_before;
                report.bytes_before += month.bytes_before;
                report.files_after += month.files_after;
                report.bytes_after += month.bytes_after;
                report.rows += month.rows;
            }
        }
    }
    report.seconds = (warehouse.clock().now() - started).num_milliseconds() as f64 / 1000.0;
    Ok(report)
}

/// `None` when the month changed while it was worked on.
async fn compact_month(
    warehouse: &Arc<Warehouse>,
    month: MonthPlan,
    progress: &Arc<dyn Progress>,
) -> Result<Option<CompactReport>> {
    let table =
        crate::record::fields::known(&month.table).ok_or_else(|| Error::not_found(format!("no table {}", month.table)))?;
    let archive = warehouse.table(Role::Archive, table).await?;
    let partition = Partition(month.month.map(|day| day.to_epoch_days()));
    let base = archive.snapshot().await?;
    let files = base.partition(partition).to_vec();
    if !needs_it(&files) {
        return Ok(Some(CompactReport::default()));
    }
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    let sum = Arc::new(Mutex::new(RowSum::default()));
    let summing = sum.clone();
    let changes = Changes { absorb: files.clone(), ..Changes::default() };
    let now = warehouse.clock().now().timestamp_millis();
    let told = progress.clone();
    let through = |rows| summed(rows, summing);
    let folded = fold_through(&archive, partition, changes, now, &move |rows| told.advance(rows), through).await?;
    let written = sum_of(&sum)?;
    if written.rows != rows {
        return Err(Error::internal(format!("{}: {rows} rows in, {} rows out", archive.name(), written.rows)));
    }
    let new = folded.adds.iter().map(|add| DataFile::new(&archive.table, archive.role, add.clone())).collect::<Result<_>>()?;
    read_back(&archive, new, written).await?;
    let report = CompactReport {
        files_before: files.len() as u64,
        bytes_before: files.iter().map(|file| file.bytes()).sum(),
        files_after: folded.adds.len() as u64,
        bytes_after: folded.adds.iter().map(|add| add.size.max(0) as u64).sum(),
        rows,
        ..CompactReport::default()
    };
    let change =
        Change { adds: folded.adds, removes: folded.replaced, same_rows: true, operation: "compact", ..Change::default() };
    Ok(swap(warehouse, &archive, partition, &files, change).await?.then_some(report))
}

/// Commits the swap on the newest snapshot in which the month's files are all still the same; `false` when they are not.
async fn swap(
    warehouse: &Arc<Warehouse>,
    archive: &LakeTable,
    partition: Partition,
    files: &[Arc<DataFile>],
    change: Change,
) -> Result<bool> {
    let Change { adds, removes, .. } = change;
    for _ in 0..crate::lake::commit::ATTEMPTS {
        let newest = archive.snapshot().await?;
        let same = |(a, b): (&Arc<DataFile>, &Arc<DataFile>)| a.add.path == b.add.path;
        let now = newest.partition(partition);
        if now.len() != files.len() || !now.iter().zip(files).all(same) {
            return Ok(false);
        }
        let change =
            Change { adds: adds.clone(), removes: removes.clone(), same_rows: true, operation: "compact", ..Change::default() };
        match commit(archive, &newest, change, warehouse.clock().as_ref()).await {
            Err(error) if lost_race(&error) => {}
            done => return done.map(|_| true),
        }
    }
    Ok(false)
}
