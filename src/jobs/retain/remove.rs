//! Removes the expired rows: one commit to the archive, then one to hot.
//!
//! **Order.** The archive's commit comes first, because a late row in hot hides the archived row of its key. A crash between the
//! two leaves expired rows in hot, whole and visible; the next run removes them. Claims keep this job and an archive run apart:
//! see [`crate::tiers::claim`].
//!
//! **Races.** *A load* that changes a row we remove from the archive writes it to hot, complete. That is as if the load had come
//! after us, and the next run removes it again (but the load counts it as updated, not inserted, so `ier reconcile` finds one row
//! more than was taken in). *Compaction, erasure, another run*: the second to commit to a table loses, pins again and decides
//! again. *A hold being placed*: see [`crate::ledgers::holds`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::expiry::{ExpiredRows, ExpiryRules, FileExpiry, LakeExpiry, TableExpiry};
use super::totals::{RecordedTotals, settle};
use crate::error::{Error, Result};
use crate::jobs::archive::sum_of;
use crate::lake::fold::write::StartedFiles;
use crate::lake::fold::{Changes, Hits, Located, fold_through};
use crate::lake::log::commit::{Change, commit, discard_paths, lost_race};
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::lake::parallel::in_parallel;
use crate::lake::paths::Partition;
use crate::lake::read::verify::{RowSum, read_back, summed};
use crate::progress::Progress;
use crate::tiers::claim;
use crate::tiers::pin::Pinned;
use crate::tiers::warehouse::Warehouse;

/// The outcome of an attempt.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Places (in [`TableExpiry::lakes`]) of the lakes whose removal was committed.
    pub committed: Vec<usize>,
    /// By what the ledger names the removals.
    pub run_ids: Vec<String>,
    /// Bytes of new files.
    pub bytes_written: u64,
    /// Others came first: decide again.
    pub lost: bool,
}

/// A removal whose files are written and whose totals are stored.
struct Prepared {
    change: Change,
    totals: Option<RecordedTotals>,
}

/// Removes the expired rows, unless another commit came first.
pub async fn remove(
    warehouse: &Arc<Warehouse>,
    rules: &ExpiryRules,
    expiry: &TableExpiry,
    pinned: Option<&Pinned>,
    progress: &Arc<dyn Progress>,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let begun: Vec<Arc<StartedFiles>> = expiry.lakes.iter().map(|_| Arc::default()).collect();
    let prepared = match prepare(warehouse, expiry, &begun, progress).await {
        Ok(prepared) => prepared,
        Err(error) => {
            discard_from(expiry, &begun, 0).await;
            return Err(error);
        }
    };
    outcome.bytes_written = prepared.iter().flat_map(|change| &change.adds).map(|add| add.size.max(0) as u64).sum();
    let from_hot = expiry.lakes.len() > 1 && expiry.lakes.last().is_some_and(|hot| !hot.is_empty());
    let mut done: Vec<RecordedTotals> = Vec::new();
    for (at, (lake, change)) in expiry.lakes.iter().zip(prepared).enumerate() {
        let mut change = Change { operation: "retain", ..change };
        if pinned.is_some() {
            // Rows of tables without months have no count by month.
            for (of, total) in &lake.totals {
                change.tally.month(Some(of.month)).expired += total.rows;
            }
        }
        match pinned.filter(|_| at == 0) {
            Some(pinned) if from_hot => change.transactions.extend(claim::transactions(pinned)),
            Some(pinned) if !change.is_empty() => change.transactions.push(claim::built_from(pinned)),
            _ => {}
        }
        if change.is_empty() {
            continue;
        }
        let totals = match lake.totals.is_empty() {
            true => None,
            false => Some(RecordedTotals::new(warehouse, &lake.lake, lake.totals.clone()).await?),
        };
        change.transactions.extend(totals.as_ref().map(RecordedTotals::transaction));
        match commit_removal(warehouse, rules, lake, Prepared { change, totals }).await? {
            None => {
                discard_from(expiry, &begun, at).await;
                outcome.lost = true;
                break;
            }
            Some(totals) => {
                outcome.committed.push(at);
                done.extend(totals);
            }
        }
    }
    for totals in done {
        outcome.run_ids.push(totals.run_id().to_owned());
        totals.removed(warehouse).await?;
    }
    Ok(outcome)
}

/// Writes the files of all removals.
async fn prepare(
    warehouse: &Arc<Warehouse>,
    expiry: &TableExpiry,
    begun: &[Arc<StartedFiles>],
    progress: &Arc<dyn Progress>,
) -> Result<Vec<Change>> {
    let mut prepared = Vec::with_capacity(expiry.lakes.len());
    for (lake, begun) in expiry.lakes.iter().zip(begun) {
        settle(warehouse, &lake.lake, &lake.base).await?;
        prepared.push(fold_out(warehouse, lake, begun, progress).await?);
    }
    Ok(prepared)
}

/// Deletes the files written for abandoned removals: those of the lakes from this one on.
async fn discard_from(expiry: &TableExpiry, begun: &[Arc<StartedFiles>], first: usize) {
    for (lake, begun) in expiry.lakes.iter().zip(begun).skip(first) {
        discard_paths(&lake.lake, &begun.paths()).await;
    }
}

/// Commits one removal. Nothing when others came first, a hold among them.
async fn commit_removal(
    warehouse: &Arc<Warehouse>,
    rules: &ExpiryRules,
    lake: &LakeExpiry,
    prepared: Prepared,
) -> Result<Option<Option<RecordedTotals>>> {
    let Prepared { change, totals } = prepared;
    let committed = match rules.holds.still_stand(warehouse).await? {
        true => commit(&lake.lake, &lake.base, change, warehouse.clock().as_ref()).await.map(|_| true),
        false => Ok(false),
    };
    match committed {
        Ok(true) => Ok(Some(totals)),
        Err(error) if !lost_race(&error) => Err(error),
        Ok(false) | Err(_) => {
            if let Some(totals) = totals {
                totals.forget(warehouse).await?;
            }
            Ok(None)
        }
    }
}

/// Writes the files that remain of those that lose rows; whole files are only named.
async fn fold_out(
    warehouse: &Arc<Warehouse>,
    expiry: &LakeExpiry,
    begun: &Arc<StartedFiles>,
    progress: &Arc<dyn Progress>,
) -> Result<Change> {
    let mut change = Change::default();
    let mut partitions: BTreeMap<Partition, Vec<FileExpiry>> = BTreeMap::new();
    for file in expiry.files.iter().filter(|file| file.loses()) {
        match file.outgoing {
            ExpiredRows::All => {
                progress.advance(file.file.rows);
                change.removes.push(file.file.clone());
            }
            ExpiredRows::Some(_) => partitions.entry(file.file.partition).or_default().push(file.clone()),
        }
    }
    let (lake, progress, now) = (expiry.lake.clone(), progress.clone(), warehouse.clock().now().timestamp_millis());
    let begun = begun.clone();
    let folded = in_parallel(partitions, move |(partition, files)| {
        let (lake, begun, progress) = (lake.clone(), begun.clone(), progress.clone());
        async move { fold_partition(&lake, partition, files, begun, now, &progress).await }
    })
    .await?;
    for mut folded in folded {
        change.adds.append(&mut folded.adds);
        change.removes.append(&mut folded.removes);
    }
    Ok(change)
}

/// The rows of some files of a partition that stay, written anew and read back.
async fn fold_partition(
    lake: &Arc<LakeTable>,
    partition: Partition,
    files: Vec<FileExpiry>,
    begun: Arc<StartedFiles>,
    now_millis: i64,
    progress: &Arc<dyn Progress>,
) -> Result<Change> {
    let mut outgoing = Located::default();
    let (mut stay, mut gone) = (0, 0);
    for FileExpiry { file, outgoing: places, .. } in files {
        let ExpiredRows::Some(rows) = places else { continue };
        stay += file.rows - rows.len() as u64;
        gone += rows.len() as u64;
        outgoing.hits.insert(file.add.path.clone(), Hits { file, rows, keys: Vec::new() });
    }
    let sum = Arc::new(Mutex::new(RowSum::default()));
    let summing = sum.clone();
    let changes = Changes { outgoing, begun, ..Changes::default() };
    let reporting = progress.clone();
    let through = |rows| summed(rows, summing);
    let folded = fold_through(lake, partition, changes, now_millis, &move |rows| reporting.advance(rows), through).await?;
    progress.advance(gone);
    let written = sum_of(&sum)?;
    if written.rows != stay {
        return Err(Error::internal(phrase!("{}: {stay} rows were to stay, {} were written", lake.name(), written.rows)));
    }
    let new = folded.adds.iter().map(|add| DataFile::new(&lake.table, lake.role, add.clone())).collect::<Result<_>>()?;
    read_back(lake, new, written).await?;
    Ok(Change { adds: folded.adds, removes: folded.replaced, ..Change::default() })
}
