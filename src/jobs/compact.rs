//! `ier compact`: rewrites a month of many or overlapping archive files as few sorted files that do not overlap. A month that did
//! not change for a year is rewritten once more, as small as it gets.
//!
//! It changes no answer: the same rows stand in other files. First it folds late rows in as `ier archive` does, because they
//! would cause their months to be rewritten soon after. Then it rewrites the months that need it, the worst first, one commit a
//! month.
//!
//! **Races.** Safe to run twice and beside other jobs. A commit is made only while every file it replaces is still live, and a
//! month that changed meanwhile is left for the next run. So a file from which a row was erased or moved can never be replaced by
//! older contents.

use std::cmp::Reverse;
use std::fmt;
use std::sync::{Arc, Mutex};

use arrow::compute::concat_batches;
use chrono::{DateTime, Duration, NaiveDate, Utc};
use datafusion::common::ScalarValue;
use futures::TryStreamExt;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::archive::{fold_late, late_rows, sum_of};
use crate::error::{Error, Result};
use crate::human;
use crate::lake::file::layout::{Effort, FILE_BYTES, ROW_GROUP_ROWS};
use crate::lake::file::sort::{BATCH_ROWS, Sorted, sort};
use crate::lake::file::tags;
use crate::lake::fold::write::StartedFiles;
use crate::lake::fold::{Changes, fold_through};
use crate::lake::log::commit::{ATTEMPTS, Change, commit, discard_paths, lost_race};
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::lake::parallel::in_parallel;
use crate::lake::paths::{Partition, date_of, first_of_month};
use crate::lake::read;
use crate::lake::read::verify::{RowSum, read_back, summed};
use crate::ledgers::runs::Report;
use crate::progress::{Progress, Unit};
use crate::record::fields::{TABLES, known};
use crate::tiers::pin::pin;
use crate::tiers::warehouse::Warehouse;

/// Files a month may have while archive runs still add to it: one a day comes, and written anew each time it would cost
/// more than it saves.
const OPEN_MONTH_FILES: usize = 8;

/// What a file that is merged takes beside its row group, in bytes: a batch of rows decoded, and dictionaries.
const STREAM_BYTES: u64 = 8 << 20;

/// What writing takes, in bytes: an encoded row group, its filter, and the parts on their way to the store.
const WRITER_BYTES: u64 = 150 << 20;

/// The limits of a run, and its goal.
#[derive(Clone, Copy, Debug)]
pub struct CompactOptions {
    /// No month is begun after this long.
    pub budget: Option<Duration>,
    /// Memory for the months being merged, in bytes.
    pub memory_bytes: u64,
    /// A month whose files are this old is written once more, as small as it gets; `None` = never.
    pub best_after: Option<Duration>,
}

/// Why a month is rewritten.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RewriteReason {
    /// A file that was not written here: its order is unknown.
    Foreign,
    /// Its files overlap: a look-up has to open them all.
    Overlapping,
    /// Two or more of its files would fit into one.
    Small,
    /// Left alone for long: worth the smallest form.
    Old,
}

impl RewriteReason {
    fn words(self) -> &'static str {
        match self {
            Self::Foreign => "a file of unknown order",
            Self::Overlapping => "overlapping files",
            Self::Small => "small files",
            Self::Old => "old enough for best compression",
        }
    }
}

/// The plan of a run.
#[derive(Clone, Debug, Serialize)]
pub struct CompactPlan {
    /// Late rows that would be folded in first.
    pub late_rows: u64,
    /// Months that need it, in the order in which they are done.
    pub months: Vec<MonthPlan>,
}

/// One month of one table.
#[derive(Clone, Debug, Serialize)]
pub struct MonthPlan {
    /// The table.
    pub table: String,
    /// The month's first day; none for rows without a date.
    pub month: Option<NaiveDate>,
    /// Why.
    pub need: RewriteReason,
    /// Its files.
    pub files: u64,
    /// Their rows.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The report of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CompactReport {
    /// Late rows folded in first.
    pub late_rows: u64,
    /// Months made anew.
    pub months: u64,
    /// Months left for the next run because they changed meanwhile.
    pub months_left: u64,
    /// Months left for the next run because the time was up.
    pub months_out_of_time: u64,
    /// Files before.
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

const NOTHING: &str = "nothing to compact: every month is in few, sorted files";

impl fmt::Display for CompactPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.months.is_empty() && self.late_rows == 0 {
            return f.write_str(NOTHING);
        }
        write!(f, "compact {}", human::counted(self.months.len() as u64, "month"))?;
        if self.late_rows > 0 {
            write!(f, "\nfirst fold in up to {}", human::counted(self.late_rows, "late row"))?;
        }
        for month in &self.months {
            let name = month.month.map_or_else(|| "without date".to_owned(), |month| month.format("%Y-%m").to_string());
            let (files, rows) = (human::counted(month.files, "file"), human::counted(month.rows, "row"));
            write!(f, "\n{} {name}: {files}, {rows}, {}: {}", month.table, human::bytes(month.bytes), month.need.words())?;
        }
        Ok(())
    }
}

impl Report for CompactReport {
    fn rows(&self) -> u64 {
        self.late_rows + self.rows
    }

    fn changed(&self) -> bool {
        self.late_rows + self.files_before > 0
    }
}

impl fmt::Display for CompactReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.late_rows > 0 {
            writeln!(f, "folded in up to {}", human::counted(self.late_rows, "late row"))?;
        }
        if self.months + self.months_left + self.months_out_of_time == 0 {
            return f.write_str(NOTHING);
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
        if self.months_out_of_time > 0 {
            write!(f, "\nthe time was up: {} wait for the next run", human::counted(self.months_out_of_time, "month"))?;
        }
        Ok(())
    }
}

/// Looks for months that need it.
pub async fn plan(warehouse: &Arc<Warehouse>, options: &CompactOptions) -> Result<CompactPlan> {
    let now = warehouse.clock().now();
    let mut plan = CompactPlan { late_rows: 0, months: Vec::new() };
    for table in TABLES.iter().filter(|table| table.tiered) {
        let pinned = pin(&warehouse.tiers(table).await?).await?;
        plan.late_rows += late_rows(&pinned);
        let open_from = pinned.archived_until().map(first_of_month);
        for (partition, files) in &pinned.archive.partitions {
            if let Some(need) = need(files, open_from, now, options) {
                plan.months.push(MonthPlan {
                    table: table.name.to_string(),
                    month: partition.0.map(date_of),
                    need,
                    files: files.len() as u64,
                    rows: files.iter().map(|file| file.rows).sum(),
                    bytes: files.iter().map(|file| file.bytes()).sum(),
                });
            }
        }
    }
    // The time may not be enough for all: first those that cost readers most.
    plan.months.sort_by_key(|month| (month.need == RewriteReason::Old, Reverse(month.files), month.month, month.table.clone()));
    Ok(plan)
}

/// Why these files of one month should be written anew, if they should. Months from `open_from` on still get files.
fn need(files: &[Arc<DataFile>], open_from: Option<i32>, now: DateTime<Utc>, options: &CompactOptions) -> Option<RewriteReason> {
    let first = files.first()?;
    if files.iter().any(|file| file.tag(tags::BLAKE3).is_none()) {
        return Some(RewriteReason::Foreign);
    }
    let is_open = first.partition.0.is_some_and(|day| open_from.is_some_and(|from| day >= from));
    if is_open && files.len() < OPEN_MONTH_FILES {
        return None;
    }
    if overlap(files) {
        return Some(RewriteReason::Overlapping);
    }
    if small(files) {
        return Some(RewriteReason::Small);
    }
    let newest = files.iter().map(|file| file.add.modification_time).max()?;
    let is_old = options.best_after.is_some_and(|age| newest <= (now - age).timestamp_millis());
    let is_best = files.iter().all(|file| file.tag(tags::EFFORT) == Effort::Best.tag());
    (is_old && !is_best).then_some(RewriteReason::Old)
}

/// Would two of these files fit into one?
fn small(files: &[Arc<DataFile>]) -> bool {
    files.iter().filter(|file| file.bytes() < FILE_BYTES / 2).count() > 1
}

/// Do the people of two of these files overlap? Neighbours may share the person at whom one file ended.
fn overlap(files: &[Arc<DataFile>]) -> bool {
    let mut ranges: Vec<Option<(&str, &str)>> = files
        .iter()
        .map(|file| match file.ranges.get("person_id").map(|range| (&range.min, &range.max)) {
            Some((ScalarValue::Utf8View(Some(min)), ScalarValue::Utf8View(Some(max)))) => Some((min.as_str(), max.as_str())),
            _ => None,
        })
        .collect();
    ranges.sort();
    ranges.windows(2).any(|pair| matches!(pair, [Some((_, end)), Some((start, _))] if end > start) || pair[1].is_none())
}

/// Does what was planned, month by month, two at once where the memory allows.
pub async fn execute(
    warehouse: &Arc<Warehouse>,
    plan: CompactPlan,
    options: &CompactOptions,
    progress: Arc<dyn Progress>,
) -> Result<CompactReport> {
    let started = warehouse.clock().now();
    let deadline = options.budget.map(|budget| started + budget);
    let late_rows = plan.late_rows;
    if late_rows > 0 {
        fold_late(warehouse, &progress).await?;
    }
    progress.say("compacting");
    progress.count(Unit::Rows, plan.months.iter().map(|month| month.rows).sum());
    let run = Arc::new(Run {
        warehouse: warehouse.clone(),
        options: *options,
        memory: Semaphore::new(mib(options.memory_bytes) as usize),
        progress,
    });
    let done = in_parallel(plan.months, move |month| {
        let run = run.clone();
        async move {
            if deadline.is_some_and(|deadline| run.warehouse.clock().now() >= deadline) {
                return Ok(CompactReport { months_out_of_time: 1, ..CompactReport::default() });
            }
            run.month(month).await
        }
    });
    let mut report = CompactReport { late_rows, ..CompactReport::default() };
    for month in done.await? {
        report.months += month.months;
        report.months_left += month.months_left;
        report.months_out_of_time += month.months_out_of_time;
        report.files_before += month.files_before;
        report.bytes_before += month.bytes_before;
        report.files_after += month.files_after;
        report.bytes_after += month.bytes_after;
        report.rows += month.rows;
    }
    report.seconds = (warehouse.clock().now() - started).num_milliseconds() as f64 / 1000.0;
    Ok(report)
}

/// Memory is counted in MiB: a semaphore's permits are 32-bit numbers.
fn mib(bytes: u64) -> u32 {
    u32::try_from((bytes >> 20).max(1)).unwrap_or(u32::MAX)
}

struct Run {
    warehouse: Arc<Warehouse>,
    options: CompactOptions,
    /// What is free, in MiB.
    memory: Semaphore,
    progress: Arc<dyn Progress>,
}

impl Run {
    /// Writes a month anew: in one step where the memory allows, else some files at a time, smallest first, until they are few.
    async fn month(&self, month: MonthPlan) -> Result<CompactReport> {
        let table = known(&month.table).ok_or_else(|| Error::not_found(phrase!("no table {}", month.table)))?;
        let tiers = self.warehouse.tiers(table).await?;
        let partition = Partition(month.month.map(|day| day.to_epoch_days()));
        let mut report = CompactReport::default();
        for step in 0.. {
            let pinned = pin(&tiers).await?;
            let files = pinned.archive.partition(partition);
            let open_from = pinned.archived_until().map(first_of_month);
            let Some(need) = need(files, open_from, self.warehouse.clock().now(), &self.options) else { break };
            let mut some = fitting(files, self.options.memory_bytes);
            if need != RewriteReason::Old && !overlap(&some) && !small(&some) {
                // Those that fit have been merged already; the rest costs what it costs.
                some = files.to_vec();
            }
            if step == 0 {
                report.files_before = files.len() as u64;
                report.bytes_before = files.iter().map(|file| file.bytes()).sum();
            }
            let whole = some.len() == files.len();
            if !self.rewrite(&tiers.archive, partition, &some, need).await? {
                return Ok(CompactReport { months_left: 1, ..CompactReport::default() });
            }
            if whole {
                break;
            }
        }
        let after = tiers.archive.snapshot().await?;
        let files = after.partition(partition);
        report.months = u64::from(report.files_before > 0);
        report.files_after = files.len() as u64;
        report.bytes_after = files.iter().map(|file| file.bytes()).sum();
        report.rows = files.iter().map(|file| file.rows).sum();
        Ok(report)
    }

    /// Merges some files of a month and commits; `false` when one of them was changed meanwhile.
    async fn rewrite(
        &self,
        archive: &Arc<LakeTable>,
        partition: Partition,
        files: &[Arc<DataFile>],
        need: RewriteReason,
    ) -> Result<bool> {
        let wanted = mib(files.iter().map(merge_bytes).sum::<u64>() + WRITER_BYTES);
        let permits = self.memory.acquire_many(wanted.min(mib(self.options.memory_bytes))).await;
        let _held = permits.map_err(|error| Error::internal(phrase!("the memory budget is closed: {error}")))?;
        let begun = Arc::new(StartedFiles::default());
        let changes = Changes { effort: self.effort(files, need), begun: begun.clone(), ..Changes::default() };
        let change = match self.merge(archive, partition, files, changes).await {
            Ok(change) => change,
            Err(error) => {
                // It may hold somebody who has been erased meanwhile.
                discard_paths(archive, &begun.paths()).await;
                let newest = archive.snapshot().await?;
                let changed = files.iter().any(|file| newest.files().all(|live| live.add.path != file.add.path));
                return if error.is_missing() && changed { Ok(false) } else { Err(error) };
            }
        };
        let swapped = self.swap(archive, partition, change).await?;
        if !swapped {
            discard_paths(archive, &begun.paths()).await;
        }
        Ok(swapped)
    }

    /// Writes the merged files and reads them back.
    async fn merge(
        &self,
        archive: &Arc<LakeTable>,
        partition: Partition,
        files: &[Arc<DataFile>],
        mut changes: Changes,
    ) -> Result<Change> {
        let rows: u64 = files.iter().map(|file| file.rows).sum();
        let mut foreign = Vec::new();
        for file in files {
            match file.tag(tags::BLAKE3) {
                Some(_) => changes.absorb.push(file.clone()),
                None => {
                    changes.streams.push(sorted(archive, file).await?);
                    foreign.push(file.clone());
                }
            }
        }
        let sum = Arc::new(Mutex::new(RowSum::default()));
        let (summing, reporting) = (sum.clone(), self.progress.clone());
        let through = |rows| summed(rows, summing);
        let now = self.warehouse.clock().now().timestamp_millis();
        let mut folded = fold_through(archive, partition, changes, now, &move |rows| reporting.advance(rows), through).await?;
        folded.replaced.extend(foreign);
        let written = sum_of(&sum)?;
        if written.rows != rows {
            return Err(Error::internal(phrase!("{}: {rows} rows in, {} rows out", archive.name(), written.rows)));
        }
        let new =
            folded.adds.iter().map(|add| DataFile::new(&archive.table, archive.role, add.clone())).collect::<Result<_>>()?;
        read_back(archive, new, written).await?;
        Ok(Change { adds: folded.adds, removes: folded.replaced, same_rows: true, operation: "compact", ..Change::default() })
    }

    /// The most effort for files nobody has touched for long, the tier's own for others.
    fn effort(&self, files: &[Arc<DataFile>], need: RewriteReason) -> Option<Effort> {
        let best = need == RewriteReason::Old || files.iter().all(|file| file.tag(tags::EFFORT) == Effort::Best.tag());
        best.then_some(Effort::Best)
    }

    /// Commits the swap on the newest snapshot in which the files are all still live; `false` when they are not.
    async fn swap(&self, archive: &LakeTable, partition: Partition, change: Change) -> Result<bool> {
        let Change { adds, removes, .. } = change;
        for _ in 0..ATTEMPTS {
            let newest = archive.snapshot().await?;
            let is_live = |file: &Arc<DataFile>| newest.partition(partition).iter().any(|live| live.add.path == file.add.path);
            if !removes.iter().all(is_live) {
                return Ok(false);
            }
            let change = Change {
                adds: adds.clone(),
                removes: removes.clone(),
                same_rows: true,
                operation: "compact",
                ..Change::default()
            };
            match commit(archive, &newest, change, self.warehouse.clock().as_ref()).await {
                Err(error) if lost_race(&error) => {}
                done => return done.map(|_| true),
            }
        }
        Ok(false)
    }
}

/// What merging a file takes, in bytes: its largest row group, which is read whole, and what is decoded of it.
fn merge_bytes(file: &Arc<DataFile>) -> u64 {
    let groups = file.rows.div_ceil(ROW_GROUP_ROWS as u64).max(1);
    file.bytes() / groups + STREAM_BYTES
}

/// As many files as can be merged at once in so much memory, the smallest first; never less than two.
fn fitting(files: &[Arc<DataFile>], memory_bytes: u64) -> Vec<Arc<DataFile>> {
    let mut by_size: Vec<Arc<DataFile>> = files.to_vec();
    by_size.sort_by_key(|file| file.bytes());
    let mut needed = WRITER_BYTES;
    let fits = by_size.iter().take_while(|file| {
        needed += merge_bytes(file);
        needed <= memory_bytes
    });
    let count = fits.count().max(2);
    by_size.truncate(count);
    by_size
}

/// The rows of a file that was not written here, in order. They are sorted in memory.
async fn sorted(archive: &LakeTable, file: &DataFile) -> Result<Sorted> {
    let batches: Vec<_> = read::open(archive, file).await?.stream(None, None)?.try_collect().await?;
    let rows = sort(&archive.table, &concat_batches(&archive.table.lake_schema(), &batches)?)?;
    let pieces = (0..rows.num_rows()).step_by(BATCH_ROWS).map(move |from| {
        let length = BATCH_ROWS.min(rows.num_rows() - from);
        Ok(rows.slice(from, length))
    });
    Ok(Box::pin(futures::stream::iter(pieces.collect::<Vec<_>>())))
}
