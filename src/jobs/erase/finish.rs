//! The second half of an erasure: deletes what old versions of tables still hold, at once or after the retention of old versions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::find::identifying_columns;
use super::ledger::{self, Entry, Receipt, Step};
use crate::error::Result;
use crate::human;
use crate::lake::log::purge::{Purged, purge, would_go};
use crate::lake::parallel::at_most;
use crate::ledgers::runs::Report;
use crate::progress::{Progress, Unit};
use crate::tiers::suppressed;
use crate::tiers::warehouse::Warehouse;

/// Tables purged at once.
const TABLES: usize = 2;

/// Erasures and what is left to do for them.
#[derive(Clone, Debug, Serialize)]
pub struct FinishPlan {
    /// Those whose old versions would be deleted now.
    pub due: Vec<Pending>,
    /// Those whose time has not come.
    pub waiting: Vec<Pending>,
    /// Those begun and not done: the same command again finishes them.
    pub unfinished: Vec<Pending>,
    #[serde(skip)]
    receipts: Vec<Entry>,
}

/// An erasure that is not finished.
#[derive(Clone, Debug, Serialize)]
pub struct Pending {
    /// The erasure.
    pub erasure_id: String,
    /// When it reached the step it is at.
    pub at: DateTime<Utc>,
    /// By when old versions are to be deleted.
    pub due: DateTime<Utc>,
}

/// The report on finished erasures.
#[derive(Clone, Debug, Serialize)]
pub struct FinishReport {
    /// Erasures whose rows no object holds any more.
    pub finished: Vec<String>,
    /// What was deleted, by table.
    pub purged: BTreeMap<String, Purged>,
    /// How long it took.
    pub seconds: f64,
}

impl Report for FinishReport {
    /// Files, not rows, are what it deletes.
    fn rows(&self) -> u64 {
        0
    }

    fn changed(&self) -> bool {
        !self.finished.is_empty()
    }
}

impl fmt::Display for FinishPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to finish", human::counted(self.due.len() as u64, "erasure"))?;
        for (pending, what) in [(&self.due, "due since"), (&self.waiting, "waits until")] {
            for erasure in pending {
                write!(f, "\n{}: {what} {}", erasure.erasure_id, human::moment(erasure.due))?;
            }
        }
        for erasure in &self.unfinished {
            let at = human::moment(erasure.at);
            write!(f, "\n{}: begun {at} and not done: run the same `ier erase` again", erasure.erasure_id)?;
        }
        Ok(())
    }
}

impl fmt::Display for FinishReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.finished.is_empty() {
            return f.write_str("no erasure to finish");
        }
        write!(f, "finished {}: ", human::counted(self.finished.len() as u64, "erasure"))?;
        write!(f, "{}", summary(&self.purged))?;
        write!(f, "\nin {}", human::seconds(self.seconds))
    }
}

/// The result of a purge of all tables, in a line.
pub(super) fn summary(purged: &BTreeMap<String, Purged>) -> String {
    let sum = |of: fn(&Purged) -> u64| purged.values().map(of).sum::<u64>();
    let (files, bytes) = (human::counted(sum(|one| one.files), "file"), human::bytes(sum(|one| one.bytes)));
    let checkpoints = human::counted(sum(|one| one.checkpoints), "checkpoint");
    let entries = sum(|one| one.log_entries);
    let entries = if entries == 1 { "1 log entry".to_owned() } else { human::count(entries) + " log entries" };
    format!("old versions are gone: {files} ({bytes}) and {checkpoints} deleted, {entries} written without their bounds")
}

/// Lists the erasures that wait for their purge.
pub async fn plan(warehouse: &Arc<Warehouse>) -> Result<FinishPlan> {
    let now = warehouse.clock().now();
    let mut plan = FinishPlan { due: Vec::new(), waiting: Vec::new(), unfinished: Vec::new(), receipts: Vec::new() };
    for (erasure_id, mut steps) in ledger::all(warehouse).await? {
        let Some(last) = steps.pop_last().map(|(_, entry)| entry).filter(|entry| entry.step != Step::Purged) else { continue };
        let pending = Pending { erasure_id, at: last.at, due: last.due };
        if last.step == Step::Begun {
            plan.unfinished.push(pending);
        } else if last.due > now {
            plan.waiting.push(pending);
        } else {
            plan.due.push(pending);
            plan.receipts.push(last);
        }
    }
    Ok(plan)
}

/// How many files, by table, what is due would delete: those removed at or before the versions of the erasures. Others, that no log
/// names, are judged by their rows when it is done.
pub async fn files(warehouse: &Arc<Warehouse>, plan: &FinishPlan) -> Result<BTreeMap<String, u64>> {
    let mut files = BTreeMap::new();
    let until = until(plan);
    if until.is_empty() {
        return Ok(files);
    }
    for lake in warehouse.all().await? {
        let Some(version) = until.get(&lake.name()) else { continue };
        let removed = would_go(&lake, *version).await?;
        if removed > 0 {
            files.insert(lake.name(), removed);
        }
    }
    Ok(files)
}

/// The latest version of each table at which one of the erasures removed something.
fn until(plan: &FinishPlan) -> BTreeMap<String, u64> {
    let mut until: BTreeMap<String, u64> = BTreeMap::new();
    for (table, version) in plan.receipts.iter().flat_map(|entry| &entry.receipt.versions) {
        let latest = until.entry(table.clone()).or_default();
        *latest = (*latest).max(*version);
    }
    until
}

/// Deletes the old versions whose time has come.
pub async fn execute(warehouse: &Arc<Warehouse>, plan: FinishPlan, progress: Arc<dyn Progress>) -> Result<FinishReport> {
    let started = warehouse.clock().now();
    let until = until(&plan);
    let purged = if plan.receipts.is_empty() { BTreeMap::new() } else { purge_all(warehouse, &until, &progress).await? };
    let mut finished = Vec::new();
    for entry in plan.receipts {
        finished.push(entry.receipt.erasure_id.clone());
        let receipt = Receipt { purged: purged.clone(), ..entry.receipt };
        ledger::enter(warehouse, &Entry { step: Step::Purged, at: warehouse.clock().now(), receipt, ..entry }).await?;
    }
    let seconds = (warehouse.clock().now() - started).num_milliseconds() as f64 / 1000.0;
    Ok(FinishReport { finished, purged, seconds })
}

/// Purges from every table what it removed at or before these versions. Old versions of a table may hold a person whose rows have
/// since moved from hot to the archive.
pub(super) async fn purge_all(
    warehouse: &Arc<Warehouse>,
    until: &BTreeMap<String, u64>,
    progress: &Arc<dyn Progress>,
) -> Result<BTreeMap<String, Purged>> {
    let tables = warehouse.all().await?;
    progress.say("deleting old versions");
    progress.count(Unit::Tables, tables.len() as u64);
    let list = suppressed::list(warehouse).await?;
    let work = tables.into_iter().map(|lake| (until.get(&lake.name()).copied(), lake));
    let progress = progress.clone();
    let done = at_most(TABLES, work, move |(until, lake)| {
        let (list, progress) = (list.clone(), progress.clone());
        async move {
            let columns = identifying_columns(&lake.table);
            let refuses = |batch: &arrow::array::RecordBatch| Ok(list.refused(&lake.table, batch)?.is_some());
            let purged = purge(&lake, until, &columns, &refuses).await?;
            progress.advance(1);
            Ok((lake.name(), purged))
        }
    });
    Ok(done.await?.into_iter().filter(|(_, purged)| *purged != Purged::default()).collect())
}
