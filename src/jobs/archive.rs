//! `ier archive`: moves rows past the boundary from hot days to archive months, and folds late rows into the archive.
//!
//! **Order**, for each table: write the months' new files, read them back, commit them together with the boundary, then drop from
//! hot exactly the versions that the archive now holds (Rules 6 and 8). A run that is killed anywhere changes no answer, and the
//! next run finishes it: rows that the archive has and hot still shows are late rows, and every run folds late rows in. Beside
//! jobs that remove rows it respects their claims ([`crate::tiers::claim`]).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use arrow::array::{Array, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::DataType;
use chrono::{Duration, NaiveDate};
use futures::{StreamExt, TryStreamExt};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::human;
use crate::lake::file::sort::{Sorted, merge};
use crate::lake::fold::write::StartedFiles;
use crate::lake::fold::{Changes, Folded, fold, fold_through, locate};
use crate::lake::log::commit::{ATTEMPTS, Change, commit, discard, discard_paths, fence, lost_race};
use crate::lake::log::snapshot::{DataFile, Snapshot};
use crate::lake::log::table::{ARCHIVED_UNTIL, HOT_VERSION, LakeTable};
use crate::lake::parallel::in_parallel;
use crate::lake::paths::{Partition, Role, date_of};
use crate::lake::read;
use crate::lake::read::verify::{RowSum, read_back, summed};
use crate::ledgers::runs::Report;
use crate::progress::{Progress, Unit};
use crate::record::fields::{TABLES, hidden};
use crate::record::resolve::{Outcome, group_by_key, resolve};
use crate::tiers::claim;
use crate::tiers::pin::{Pinned, pin};
use crate::tiers::warehouse::{Tiers, Warehouse};

/// The plan of a run.
#[derive(Clone, Debug, Serialize)]
pub struct ArchivePlan {
    /// The boundary: rows sent before this day go.
    pub until: NaiveDate,
    /// By table.
    pub tables: Vec<TablePlan>,
}

/// The plan for one table.
#[derive(Clone, Debug, Serialize)]
pub struct TablePlan {
    /// The table.
    pub table: String,
    /// Today's boundary.
    pub archived_until: Option<NaiveDate>,
    /// Rows that would move from hot.
    pub rows: u64,
    /// Files they stand in.
    pub files: u64,
    /// Of the rows: late ones, sent before today's boundary.
    pub late: u64,
    /// Months that would get new files.
    pub months: Vec<NaiveDate>,
}

/// The report of a run.
#[derive(Clone, Debug, Serialize)]
pub struct ArchiveReport {
    /// The boundary.
    pub until: NaiveDate,
    /// By table.
    pub tables: Vec<TableReport>,
    /// How long it took.
    pub seconds: f64,
}

/// The report on one table.
#[derive(Clone, Debug, Serialize)]
pub struct TableReport {
    /// The table.
    pub table: String,
    /// Rows that moved from hot, late ones included.
    pub rows: u64,
    /// Files written, and read back.
    pub files_written: u64,
    /// Their bytes.
    pub bytes_written: u64,
    /// Archive files they replace, because late rows belong into them.
    pub files_replaced: u64,
    /// Months with new files.
    pub months: u64,
}

impl ArchivePlan {
    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| table.rows == 0)
    }
}

impl fmt::Display for ArchivePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "archive rows sent before {}", self.until)?;
        for table in &self.tables {
            write!(f, "\n{}: {} in {}", table.table, human::counted(table.rows, "row"), human::counted(table.files, "file"))?;
            if table.late > 0 {
                write!(f, ", {} of them late", human::count(table.late))?;
            }
            if let (Some(first), Some(last)) = (table.months.first(), table.months.last()) {
                let span = if first == last {
                    first.format("%Y-%m").to_string()
                } else {
                    format!("{} to {}", first.format("%Y-%m"), last.format("%Y-%m"))
                };
                write!(f, ", into {span}")?;
            }
        }
        if self.is_empty() {
            write!(f, "\nnothing to archive")?;
        }
        Ok(())
    }
}

impl Report for ArchiveReport {
    fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    fn changed(&self) -> bool {
        self.tables.iter().any(|table| table.rows + table.files_written + table.files_replaced > 0)
    }
}

impl fmt::Display for ArchiveReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "archived until {} in {}", self.until, human::seconds(self.seconds))?;
        for table in &self.tables {
            write!(f, "\n{}: {} moved", table.table, human::counted(table.rows, "row"))?;
            if table.rows > 0 {
                write!(
                    f,
                    " into {} of {} ({}, {}), read back and verified",
                    human::counted(table.files_written, "file"),
                    human::counted(table.months, "month"),
                    human::bytes(table.bytes_written),
                    human::per_row(table.bytes_written, table.rows)
                )?;
            }
            if table.files_replaced > 0 {
                write!(f, "; {} written anew", human::counted(table.files_replaced, "archive file"))?;
            }
        }
        Ok(())
    }
}

/// Looks at what a run would do: rows sent before `until`, or more than `older_than_days` ago.
///
/// # Errors
/// Invalid when the boundary lies in the future: days still to come would be archived before they are complete.
pub async fn plan(warehouse: &Arc<Warehouse>, until: Option<NaiveDate>, older_than_days: u32) -> Result<ArchivePlan> {
    let today = warehouse.clock().today();
    let until = until.unwrap_or_else(|| today - Duration::days(older_than_days.into()));
    if until > today {
        return Err(Error::invalid(phrase!(
            "cannot archive until {until}: it is {today}, and that day's mails are still to come"
        )));
    }
    let mut tables = Vec::new();
    let mut reached = until;
    for table in TABLES.iter().filter(|table| table.tiered) {
        let pinned = pin(&warehouse.tiers(table).await?).await?;
        reached = reached.max(date_of(boundary(&pinned, until)));
        let files = going(&pinned, boundary(&pinned, until));
        let late = files.iter().filter(|file| pinned.is_late(file)).map(|file| file.rows).sum();
        let months: BTreeSet<i32> = files.iter().filter_map(|file| Role::Archive.partition_of(file.partition.0).0).collect();
        tables.push(TablePlan {
            table: table.name.to_string(),
            archived_until: pinned.archived_until().map(date_of),
            rows: files.iter().map(|file| file.rows).sum(),
            files: files.len() as u64,
            late,
            months: months.into_iter().map(date_of).collect(),
        });
    }
    Ok(ArchivePlan { until: reached, tables })
}

/// The boundary never moves back: rows the archive has stay there.
fn boundary(pinned: &Pinned, until: NaiveDate) -> i32 {
    until.to_epoch_days().max(pinned.archived_until().unwrap_or(i32::MIN))
}

/// Hot files of days before the boundary.
fn going(pinned: &Pinned, until: i32) -> Vec<Arc<DataFile>> {
    pinned.hot.files().filter(|file| file.partition.0.is_some_and(|day| day < until)).cloned().collect()
}

/// Does what was planned; what has changed since the plan is taken into account.
pub async fn execute(warehouse: &Arc<Warehouse>, plan: ArchivePlan, progress: Arc<dyn Progress>) -> Result<ArchiveReport> {
    let started = warehouse.clock().now();
    let mut tables = Vec::new();
    // Links last: a reader who joins finds the IER in place first.
    for table in TABLES.iter().filter(|table| table.tiered) {
        progress.say(&format!("archiving {}", table.name));
        let tiers = warehouse.tiers(table).await?;
        let run = Run { warehouse: warehouse.clone(), tiers, until: plan.until, progress: progress.clone() };
        tables.push(run.table().await?);
    }
    let seconds = (warehouse.clock().now() - started).num_milliseconds() as f64 / 1000.0;
    Ok(ArchiveReport { until: plan.until, tables, seconds })
}

/// Folds late rows into the archive and moves no boundary: what a run until today's boundary does. Tables without late rows
/// are left alone.
pub(super) async fn fold_late(warehouse: &Arc<Warehouse>, progress: &Arc<dyn Progress>) -> Result<Vec<TableReport>> {
    let mut folded = Vec::new();
    for table in TABLES.iter().filter(|table| table.tiered) {
        let tiers = warehouse.tiers(table).await?;
        let pinned = pin(&tiers).await?;
        let Some(until) = pinned.archived_until().filter(|_| late_rows(&pinned) > 0) else { continue };
        progress.say(&format!("folding late rows into {}", table.name));
        let run = Run { warehouse: warehouse.clone(), tiers, until: date_of(until), progress: progress.clone() };
        folded.push(run.table().await?);
    }
    Ok(folded)
}

/// Rows in hot files that hold late rows.
pub(super) fn late_rows(pinned: &Pinned) -> u64 {
    pinned.hot.files().filter(|file| pinned.is_late(file)).map(|file| file.rows).sum()
}

struct Run {
    warehouse: Arc<Warehouse>,
    tiers: Tiers,
    until: NaiveDate,
    progress: Arc<dyn Progress>,
}

impl Run {
    async fn table(&self) -> Result<TableReport> {
        for _ in 0..ATTEMPTS {
            let pinned = pin(&self.tiers).await?;
            let claim = claim::of(&self.tiers, &pinned).await?;
            if claim::is_on(claim, &pinned) {
                fence(&self.tiers.hot, "archive", self.warehouse.clock().as_ref()).await?;
                continue;
            }
            let begun = Arc::new(StartedFiles::default());
            let (change, report) = match self.fold_in(&pinned, &begun).await {
                Ok(done) => done,
                Err(error) => {
                    discard_paths(&self.tiers.archive, &begun.paths()).await;
                    if pinned.is_past(&self.tiers, &error).await? {
                        continue;
                    }
                    return Err(error);
                }
            };
            let adds = change.adds.clone();
            match self.commit_archive(&pinned, change).await {
                Err(error) if lost_race(&error) => {
                    discard(&self.tiers.archive, &adds).await;
                    continue;
                }
                done => done?,
            }
            if self.forget(&pinned, claim).await? {
                return Ok(report);
            }
        }
        Err(Error::conflict(phrase!("{} is changed by others all the time: try again", self.tiers.archive.name())))
    }

    fn now_millis(&self) -> i64 {
        self.warehouse.clock().now().timestamp_millis()
    }

    async fn commit_archive(&self, pinned: &Pinned, change: Change) -> Result<()> {
        let until = boundary(pinned, self.until);
        let moves = pinned.archived_until() != Some(until) && pinned.hot.version.is_some();
        // Marks are about to be cleared because this archive does not hold their keys. Another run may have read a marked row
        // where it stood before, and be about to write it: a commit, even of nothing else, makes that run look again.
        let clears_marks = pinned.hot.files().any(|file| file.late_days().next().is_some());
        if change.is_empty() && !moves && !clears_marks {
            return Ok(());
        }
        let transactions =
            vec![(ARCHIVED_UNTIL, i64::from(until)), (HOT_VERSION, pinned.hot.version.map_or(-1, |version| version as i64))];
        let change = Change { transactions, operation: "archive", ..change };
        commit(&self.tiers.archive, &pinned.archive, change, self.warehouse.clock().as_ref()).await?;
        Ok(())
    }

    /// Writes the archive's new files: by month, the hot rows that go, merged with the archive files in which late rows
    /// replace or remove a row.
    async fn fold_in(&self, pinned: &Pinned, begun: &Arc<StartedFiles>) -> Result<(Change, TableReport)> {
        let archive = &self.tiers.archive;
        let until = boundary(pinned, self.until);
        let files = going(pinned, until);
        // Those that go replace the archived ones, those that stay (their date was moved past the boundary) remove them.
        let late = pinned.late_keys(&self.tiers.hot).await?;
        let wanted: HashSet<&str> = late.iter().map(String::as_str).collect();
        let archive_files: Vec<Arc<DataFile>> = pinned.archive.files().cloned().collect();
        let located = locate(archive, &archive_files, &wanted).await?;
        let mut months: BTreeMap<Partition, (Vec<Arc<DataFile>>, Changes)> = BTreeMap::new();
        for file in files.iter().cloned() {
            months.entry(Role::Archive.partition_of(file.partition.0)).or_default().0.push(file);
        }
        for (path, hits) in located.hits {
            months.entry(hits.file.partition).or_default().1.outgoing.hits.insert(path, hits);
        }
        let month_count = months.len() as u64;
        // Those that go, and those that are written once more because their file is.
        let going_rows: u64 = files.iter().map(|file| file.rows).sum();
        self.progress.count(Unit::Rows, going_rows + months.values().map(|(_, changes)| replaced_rows(changes)).sum::<u64>());
        let (hot, lake, progress, now) = (self.tiers.hot.clone(), archive.clone(), self.progress.clone(), self.now_millis());
        let begun = begun.clone();
        let folded = in_parallel(months, move |(month, (files, changes))| {
            let changes = Changes { begun: begun.clone(), ..changes };
            let (hot, lake, progress) = (hot.clone(), lake.clone(), progress.clone());
            async move { month_fold(&hot, &lake, month, files, changes, now, &progress).await }
        })
        .await?;
        let mut change = Change::default();
        let mut report = TableReport {
            table: archive.table.name.to_string(),
            rows: going_rows,
            files_written: 0,
            bytes_written: 0,
            files_replaced: 0,
            months: month_count,
        };
        for folded in folded {
            report.files_written += folded.adds.len() as u64;
            report.bytes_written += folded.adds.iter().map(|add| add.size.max(0) as u64).sum::<u64>();
            report.files_replaced += folded.replaced.len() as u64;
            change.adds.extend(folded.adds);
            change.removes.extend(folded.replaced);
        }
        Ok((change, report))
    }

    /// Drops from hot what the archive now holds, and the marks of rows whose archived copy is gone. `false` when the archive
    /// may not hold it any more, because somebody is about to remove rows.
    async fn forget(&self, archived: &Pinned, claim: Option<i64>) -> Result<bool> {
        let hot = &self.tiers.hot;
        let until = boundary(archived, self.until);
        for _ in 0..ATTEMPTS {
            let newest = hot.snapshot().await?;
            if claim::is_other(&self.tiers, claim).await? {
                return Ok(false);
            }
            let change = self.forgetting(archived, &newest, until).await?;
            if change.is_empty() {
                return Ok(true);
            }
            let adds = change.adds.clone();
            match commit(hot, &newest, change, self.warehouse.clock().as_ref()).await {
                Err(error) if lost_race(&error) => discard(hot, &adds).await,
                done => return done.map(|_| true),
            }
        }
        Err(Error::conflict(phrase!("{} is changed by others all the time: run archive again to tidy up", hot.name())))
    }

    async fn forgetting(&self, archived: &Pinned, newest: &Snapshot, until: i32) -> Result<Change> {
        let mut change = Change { operation: "forget archived", ..Change::default() };
        let was: HashMap<&str, &Arc<DataFile>> = archived.hot.files().map(|file| (file.add.path.as_str(), file)).collect();
        for (partition, files) in &newest.partitions {
            if partition.0.is_some_and(|day| day < until) {
                if files.iter().all(|file| was.contains_key(file.add.path.as_str())) {
                    // Not touched since: every row in it is archived as it is.
                    change.removes.extend(files.iter().cloned());
                } else {
                    self.forget_rows(archived, *partition, files, &mut change).await?;
                }
                continue;
            }
            for file in files.iter().filter(|file| was.contains_key(file.add.path.as_str()) && file.late_days().next().is_some())
            {
                self.clear_marks(*partition, file, &mut change).await?;
            }
        }
        Ok(change)
    }

    /// A day that was upserted meanwhile: rows that bring nothing beyond the archived version go, newer ones stay, late.
    async fn forget_rows(
        &self,
        archived: &Pinned,
        partition: Partition,
        files: &[Arc<DataFile>],
        change: &mut Change,
    ) -> Result<()> {
        let hot = &self.tiers.hot;
        let schema = hot.table.lake_schema();
        let then = all_rows(hot, archived.hot.partition(partition)).await?;
        let now = all_rows(hot, files).await?;
        let versions = concat_batches(&schema, [&then, &now])?;
        let by_key = group_by_key(&versions)?;
        let groups = by_key.groups();
        let resolved = resolve(&hot.table, &versions, &groups)?;
        let known = then.num_rows() as u32;
        let mut stay = vec![false; now.num_rows()];
        for (group, outcome) in groups.iter().zip(&resolved.outcomes) {
            for row in group.iter().filter(|row| **row >= known) {
                stay[(*row - known) as usize] = !matches!(outcome, Outcome::Version(version) if *version < known);
            }
        }
        let stay = filter_record_batch(&now, &BooleanArray::from(stay))?;
        let changes = Changes { incoming: vec![stay], ..Changes::default() };
        let folded = fold(hot, partition, changes, self.now_millis(), &|_| {}).await?;
        change.adds.extend(folded.adds);
        change.removes.extend(files.iter().cloned());
        Ok(())
    }

    /// Writes a file anew without late marks: the archive no longer holds the keys of its rows.
    async fn clear_marks(&self, partition: Partition, file: &Arc<DataFile>, change: &mut Change) -> Result<()> {
        let hot = &self.tiers.hot;
        let rows = unmarked(read::open(hot, file).await?.stream(None, None)?);
        let changes = Changes { streams: vec![rows], ..Changes::default() };
        let folded = fold(hot, partition, changes, self.now_millis(), &|_| {}).await?;
        change.adds.extend(folded.adds);
        change.removes.push(file.clone());
        Ok(())
    }
}

async fn all_rows(table: &LakeTable, files: &[Arc<DataFile>]) -> Result<RecordBatch> {
    let mut batches: Vec<RecordBatch> = Vec::new();
    for file in files {
        batches.extend(read::open(table, file).await?.stream(None, None)?.try_collect::<Vec<_>>().await?);
    }
    Ok(concat_batches(&table.table.lake_schema(), &batches)?)
}

/// One month: hot days in, archive files out, read back.
async fn month_fold(
    hot: &Arc<LakeTable>,
    archive: &Arc<LakeTable>,
    month: Partition,
    files: Vec<Arc<DataFile>>,
    mut changes: Changes,
    now_millis: i64,
    progress: &Arc<dyn Progress>,
) -> Result<Folded> {
    let incoming = Arc::new(Mutex::new(RowSum::default()));
    if !files.is_empty() {
        let mut days: Vec<Sorted> = Vec::with_capacity(files.len());
        for file in &files {
            days.push(unmarked(read::open(hot, file).await?.stream(None, None)?));
        }
        changes.streams.push(summed(merge(hot.table.clone(), days), incoming.clone()));
    }
    let replaced = replaced_rows(&changes);
    let reporting = progress.clone();
    let written = Arc::new(Mutex::new(RowSum::default()));
    let sum = written.clone();
    let through = |rows| summed(rows, sum);
    let folded = fold_through(archive, month, changes, now_millis, &move |rows| reporting.advance(rows), through).await?;
    let (incoming, written) = (sum_of(&incoming)?, sum_of(&written)?);
    if written.rows != incoming.rows + replaced {
        return Err(Error::internal(phrase!(
            "{}: {} rows in, {} rows out",
            archive.name(),
            incoming.rows + replaced,
            written.rows
        )));
    }
    let new = folded.adds.iter().map(|add| DataFile::new(&archive.table, archive.role, add.clone())).collect::<Result<_>>()?;
    read_back(archive, new, written).await?;
    Ok(folded)
}

/// Rows of archive files that are written once more, because others of their file are replaced.
fn replaced_rows(changes: &Changes) -> u64 {
    changes.outgoing.hits.values().map(|hits| hits.file.rows - hits.rows.len() as u64).sum()
}

pub(super) fn sum_of(sum: &Mutex<RowSum>) -> Result<RowSum> {
    Ok(*sum.lock().map_err(|_| Error::internal("a sum's lock is poisoned"))?)
}

/// The rows without late marks: archived ones carry none.
fn unmarked(rows: Sorted) -> Sorted {
    rows.map(|batch| {
        let batch = batch?;
        let at = batch.schema().index_of(hidden::LATE)?;
        if batch.column(at).null_count() == batch.num_rows() {
            return Ok(batch);
        }
        let mut columns = batch.columns().to_vec();
        columns[at] = new_null_array(&DataType::Date32, batch.num_rows());
        Ok(RecordBatch::try_new(batch.schema(), columns)?)
    })
    .boxed()
}
