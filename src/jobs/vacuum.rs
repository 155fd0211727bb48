//! `ier vacuum`: deletes files that no reader needs any more. Wants `--confirm`; changes no answer.

use std::fmt;
use std::sync::Arc;

use chrono::Duration;
use object_store::ObjectMeta;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::human;
use crate::lake::log::table::LakeTable;
use crate::lake::log::vacuum;
use crate::ledgers::runs::Report;
use crate::progress::{Progress, Unit};
use crate::tiers::warehouse::Warehouse;

/// The plan: the files to delete.
#[derive(Clone, Debug, Serialize)]
pub struct VacuumPlan {
    /// Files replaced or left behind less than this many hours ago stay.
    pub retain_hours: i64,
    /// By table.
    pub tables: Vec<TableVacuum>,
}

/// Files of one table that would go.
#[derive(Clone, Debug, Serialize)]
pub struct TableVacuum {
    /// The table.
    pub table: String,
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    #[serde(skip)]
    objects: Vec<ObjectMeta>,
    #[serde(skip)]
    lake: Option<Arc<LakeTable>>,
}

/// The report: the files that were deleted.
#[derive(Clone, Debug, Serialize)]
pub struct VacuumReport {
    /// Files deleted.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl fmt::Display for VacuumPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "files unused for {} or more", human::hours(self.retain_hours))?;
        for table in &self.tables {
            write!(f, "\n{}: {}, {}", table.table, human::counted(table.files, "file"), human::bytes(table.bytes))?;
        }
        if self.tables.is_empty() {
            write!(f, "\nnone")?;
        }
        Ok(())
    }
}

impl Report for VacuumReport {
    /// Files, not rows, are what it deletes.
    fn rows(&self) -> u64 {
        0
    }

    fn changed(&self) -> bool {
        self.files > 0
    }
}

impl fmt::Display for VacuumReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deleted {}, {}", human::counted(self.files, "file"), human::bytes(self.bytes))
    }
}

/// Jobs write files first and commit them then: with a shorter retention than this a vacuum takes them for unused.
const LEAST_MINUTES: i64 = 60;

/// The retention of files that are no longer live: the one asked for, if it is long enough to protect readers and jobs.
///
/// # Errors
/// Invalid below an hour, unless whoever asks knows what that does to jobs at work; and beyond the days for which logs say when a
/// file was replaced.
pub fn checked_retention(retain: std::time::Duration, even_while_jobs_run: bool) -> Result<Duration> {
    let most = Duration::days(vacuum::REMOVALS_KNOWN_DAYS);
    let retain = Duration::from_std(retain).ok().filter(|retain| *retain <= most).ok_or_else(|| {
        Error::invalid(phrase!(
            "--retain is more than {0} days, and logs say for {0} days when a file was replaced: what was replaced before would \
             go at once; give {0}d or less",
            vacuum::REMOVALS_KNOWN_DAYS
        ))
    })?;
    if retain < Duration::minutes(LEAST_MINUTES) && !even_while_jobs_run {
        return Err(Error::invalid(
            "--retain is less than an hour: jobs write their files first and commit them then, so files of loads and other jobs at \
             work would be deleted as unused, and statements that still read old files would fail; give 1h or more, or, where \
             nothing else runs, add --even-while-jobs-run",
        ));
    }
    Ok(retain)
}

/// Lists what is not needed: files neither live nor used within `retain`.
pub async fn plan(warehouse: &Arc<Warehouse>, retain: Duration) -> Result<VacuumPlan> {
    let mut tables = Vec::new();
    // Also tables never committed to: an interrupted first load leaves files behind.
    for lake in warehouse.all().await? {
        let objects = vacuum::plan(&lake, retain, warehouse.clock().as_ref()).await?;
        if !objects.is_empty() {
            tables.push(TableVacuum {
                table: lake.name(),
                files: objects.len() as u64,
                bytes: objects.iter().map(|object| object.size).sum(),
                objects,
                lake: Some(lake),
            });
        }
    }
    Ok(VacuumPlan { retain_hours: retain.num_hours(), tables })
}

/// Deletes what was planned.
pub async fn execute(plan: VacuumPlan, progress: Arc<dyn Progress>) -> Result<VacuumReport> {
    progress.say("deleting");
    progress.count(Unit::Files, plan.tables.iter().map(|table| table.files).sum());
    let mut report = VacuumReport { files: 0, bytes: 0 };
    for table in &plan.tables {
        if let Some(lake) = &table.lake {
            vacuum::execute(lake, &table.objects).await?;
        }
        progress.advance(table.files);
        report.files += table.files;
        report.bytes += table.bytes;
    }
    Ok(report)
}
