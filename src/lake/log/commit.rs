//! Commits a change to a table. This is the only function that changes one (Rule 10).
//!
//! A change adds files, removes files and sets application transactions, in one log entry. It was prepared on a snapshot; if
//! anybody has committed since, the commit fails with a conflict, and the caller prepares it again on the newest snapshot. An error
//! always means that nothing was committed: after one, the log is read again for the commit's own number.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field as ArrowField, Schema};
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TableReference};
use deltalake_core::kernel::{Action, Add, Remove, StructType, Transaction};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use uuid::Uuid;

use super::snapshot::{DataFile, Snapshot};
use super::table::{COMMIT, LakeTable};
use super::tally::{self, TALLY, Tally};
use super::{cleanup, existence, seal};
use crate::clock::Clock;
use crate::error::{Context, Error, Kind, Result};
use crate::lake::paths;

/// The change that a commit makes.
#[derive(Debug, Default)]
pub struct Change {
    /// New files.
    pub adds: Vec<Add>,
    /// Files of the snapshot that they replace.
    pub removes: Vec<Arc<DataFile>>,
    /// Application transactions to set.
    pub transactions: Vec<(&'static str, i64)>,
    /// Rows taken in and given up for good, by month.
    pub tally: Tally,
    /// The rows stay the same, only files change (compaction): streaming readers of the table need not look.
    pub same_rows: bool,
    /// The table is left with the columns that it was opened with, whatever it had: how a table of attributes is dropped.
    pub forgets_columns: bool,
    /// What is being done, for the table's history: `upsert`, `archive` … never a person's data.
    pub operation: &'static str,
}

impl Change {
    /// Would the commit change nothing?
    pub fn is_empty(&self) -> bool {
        self.adds.is_empty() && self.removes.is_empty() && self.transactions.is_empty() && !self.forgets_columns
    }
}

/// Commits a change built on `base`, or fails with a conflict when anybody has committed since: then the caller rebuilds
/// the change on the newest snapshot and tries again. Files written for a lost change are swept by vacuum.
///
/// A call may fail although the commit landed. After any error the log is read again for our own transaction before the
/// outcome is decided, so an error means that nothing was committed.
pub async fn commit(table: &LakeTable, base: &Snapshot, change: Change, clock: &dyn Clock) -> Result<Arc<Snapshot>> {
    if !follows(table, base.version).await? {
        return Err(Error::conflict(phrase!("{} moved on from version {:?} long ago", table.name(), base.version)));
    }
    existence::all_there(table, &change.adds).await?;
    let nonce = (Uuid::new_v4().as_u128() >> 65) as i64;
    let now = clock.now().timestamp_millis();
    let mut actions: Vec<Action> = Vec::new();
    let grown = table.table.fields.iter().any(|field| !base.columns.iter().any(|column| *column == field.name));
    if base.version.is_none() {
        actions.push(from_json(table, serde_json::json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}))?);
    }
    if grown || change.forgets_columns {
        actions.push(metadata(table, base, now)?);
    }
    actions.extend(change.removes.iter().map(|file| Action::Remove(remove(file, !change.same_rows, now))));
    actions.extend(change.adds.into_iter().map(|add| Action::Add(Add { data_change: !change.same_rows, ..add })));
    let counted = !change.tally.is_empty();
    if counted {
        tally::write(table, base, &change.tally, nonce, clock.now()).await?;
    }
    let tallied = counted.then_some((TALLY, nonce));
    let transactions = std::iter::once((COMMIT, nonce)).chain(tallied).chain(change.transactions);
    let entry = table.folder.clone().join(paths::LOG).join(paths::log_entry(base.version.map_or(0, |version| version + 1)));
    let belongs = table.markers.place_of(table.sealed_name(&entry), clock.now()).await?.text();
    let properties = CommitProperties::default()
        .with_max_retries(0)
        .with_metadata([
            ("ier.operation".to_owned(), change.operation.into()),
            (seal::BELONGS.to_owned(), belongs.into()),
            seal::place(),
        ])
        .with_application_transactions(transactions.map(|(name, value)| Transaction::new(name, value)).collect())
        // The log is cleaned up in an order of our own, and by our clock.
        .with_cleanup_expired_logs(Some(false));
    let partition_by = table.role.partition_column().map(|column| vec![column.to_owned()]);
    let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by, predicate: None };
    let reference = base.state.as_ref().map(|state| state as &dyn TableReference);
    let outcome =
        CommitBuilder::from(properties).with_actions(actions).build(reference, table.log_store.clone(), operation).await;
    let done = match outcome {
        Ok(done) => done,
        Err(error) => return settle(table, base, nonce, error.into()).await,
    };
    match follows(table, base.version).await {
        Ok(true) => {}
        Ok(false) => return Err(overtaken(table, base.version).await?),
        // The entry is there, and only the look at its base failed.
        Err(error) => return settle(table, base, nonce, error).await,
    }
    if done.metrics.new_checkpoint_created {
        // What cannot be deleted now goes with the next checkpoint.
        drop(cleanup::clean_up(table, clock.now()).await);
    }
    table.committed(done.snapshot()).await
}

/// Is an entry written behind `base` part of the table's history?
///
/// It can be created when there is none of its version. There may have been one, deleted by a clean-up while this process
/// stood still: then it lies where no reader looks. Entries are deleted from the oldest on ([`super::cleanup`]), so as long as
/// that of the base is there, none after it was ever deleted. A table's first commit has no base; but a clean-up leaves a
/// checkpoint, and what comes after one is no first commit.
async fn follows(table: &LakeTable, base: Option<u64>) -> Result<bool> {
    match base {
        Some(version) => table.has_entry(version).await,
        None => Ok(!table.has_object(paths::LAST_CHECKPOINT).await?),
    }
}

/// What to say of a commit whose base is gone. An entry of its own with a gap behind it was written after a clean-up and counts for
/// nothing. In all other cases the clean-up may have come after the commit.
async fn overtaken(table: &LakeTable, base: Option<u64>) -> Result<Error> {
    let ours = base.map_or(0, |version| version + 1);
    let later: Vec<u64> =
        cleanup::versions(table).await?.entries.iter().map(|(version, _)| *version).filter(|version| *version >= ours).collect();
    let (first, last) = (later.first().copied(), later.last().copied().unwrap_or(ours));
    let has_gap = later.len() as u64 != last - ours + 1;
    let moved_on = format!("{} moved on from version {base:?} to {last}, and its log was cleaned up meanwhile", table.name());
    Ok(match first == Some(ours) && has_gap {
        true => Error::conflict(moved_on),
        false => Error::unavailable(phrase!("{moved_on}; whether this commit counts is unknown: run it again")),
    })
}

/// Deletes files written for a change that lost its race for good: no log will ever name them. What cannot be deleted now is left
/// to vacuum.
///
/// They may hold rows that were erased meanwhile, so they should not wait for it.
pub async fn discard(table: &LakeTable, adds: &[Add]) {
    let paths: Vec<String> = adds.iter().map(|add| add.path.clone()).collect();
    discard_paths(table, &paths).await;
}

/// [`discard`] by paths below the table; those that are not there are passed over.
pub async fn discard_paths(table: &LakeTable, paths: &[String]) {
    for path in paths {
        let path = Path::from_iter(table.folder.parts().chain(Path::from(path.as_str()).parts()));
        // The change is made anew whatever becomes of its first files.
        drop(table.store.delete(&path).await);
    }
}

/// Commits nothing, so that whatever others have prepared on an earlier version of the table loses its race and looks again.
/// A table that was never committed to has nothing prepared on it.
pub async fn fence(table: &LakeTable, operation: &'static str, clock: &dyn Clock) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let newest = table.snapshot().await?;
        if newest.version.is_none() {
            return Ok(());
        }
        match commit(table, &newest, Change { operation, ..Change::default() }, clock).await {
            Err(error) if lost_race(&error) => {}
            done => return done.map(drop),
        }
    }
    Err(Error::conflict(phrase!("{} is changed by others all the time: try again", table.name())))
}

/// Finds out what became of a commit whose call failed.
async fn settle(table: &LakeTable, base: &Snapshot, nonce: i64, error: Error) -> Result<Arc<Snapshot>> {
    let newest = table
        .snapshot()
        .await
        .context(|| phrase!("{}: a commit failed ({error}), and whether it landed is unknown", table.name()))?;
    let first = base.version.map_or(0, |version| version + 1);
    let Some(last) = newest.version.filter(|last| *last >= first) else {
        return Err(error.context(phrase!("cannot commit to {}", table.name())));
    };
    for version in first..=last {
        let Some(text) = table.log_store.read_commit_entry(version).await? else {
            return Err(overtaken(table, base.version).await?.with_source(error));
        };
        if holds(&text, nonce)? {
            return match follows(table, base.version).await? {
                true => Ok(newest),
                false => Err(overtaken(table, base.version).await?),
            };
        }
    }
    Err(Error::conflict(phrase!("{} changed from version {:?} to {last} meanwhile", table.name(), base.version))
        .with_source(error))
}

/// Does a log entry hold our transaction?
fn holds(entry: &[u8], nonce: i64) -> Result<bool> {
    for line in entry.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let action: serde_json::Value =
            serde_json::from_slice(line).map_err(|error| Error::corrupt(phrase!("unreadable log entry: {error}")))?;
        if action["txn"]["appId"] == COMMIT && action["txn"]["version"] == nonce {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The table's metadata action; an existing table keeps its identity when its columns grow.
fn metadata(table: &LakeTable, base: &Snapshot, now: i64) -> Result<Action> {
    let schema = table.table.delta_schema();
    let mut fields: Vec<ArrowField> = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let partition = table.role.partition_column();
    fields.extend(partition.map(|column| ArrowField::new(column, DataType::Date32, true)));
    let schema: StructType = (&Schema::new(fields)).try_into_kernel()?;
    let stats: Vec<&str> = table.table.stats_columns().collect();
    let mut metadata = serde_json::json!({
        "id": Uuid::new_v4().to_string(),
        "name": table.table.name,
        "description": null,
        "format": { "provider": "parquet", "options": {} },
        "partitionColumns": partition.into_iter().collect::<Vec<_>>(),
        "configuration": {
            "delta.dataSkippingStatsColumns": stats.join(","),
            // A reader replays at most this many small log entries on top of a checkpoint.
            "delta.checkpointInterval": "20",
            "delta.enableDeletionVectors": "false",
        },
        "createdTime": now,
    });
    if let Some(state) = &base.state {
        metadata = json(table, state.metadata())?;
    }
    metadata["schemaString"] = serde_json::to_string(&schema).map_err(|error| undescribed(table, &error))?.into();
    from_json(table, serde_json::json!({ "metaData": metadata }))
}

fn json(table: &LakeTable, value: &impl serde::Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|error| undescribed(table, &error))
}

fn from_json(table: &LakeTable, action: serde_json::Value) -> Result<Action> {
    serde_json::from_value(action).map_err(|error| undescribed(table, &error))
}

fn undescribed(table: &LakeTable, error: &serde_json::Error) -> Error {
    Error::internal(phrase!("cannot describe {} for the log: {error}", table.name()))
}

fn remove(file: &DataFile, data_change: bool, now: i64) -> Remove {
    Remove {
        path: file.add.path.clone(),
        data_change,
        deletion_timestamp: Some(now),
        extended_file_metadata: Some(true),
        partition_values: Some(file.add.partition_values.clone()),
        size: Some(file.add.size),
        ..Remove::default()
    }
}

/// Runs `attempt` again as long as it loses to other writers, at most this often.
pub const ATTEMPTS: usize = 20;

/// Does an error mean "rebuild and try again"?
pub fn lost_race(error: &Error) -> bool {
    error.kind() == Kind::Conflict
}

/// Partition values of a log entry.
pub fn partition_values(table: &LakeTable, partition: crate::lake::paths::Partition) -> HashMap<String, Option<String>> {
    table.role.partition_column().map(|column| (column.to_owned(), partition.value())).into_iter().collect()
}
