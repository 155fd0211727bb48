//! The one function that changes a table (Rule 10).

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

use super::landed;
use super::seal;
use super::snapshot::{DataFile, Snapshot};
use super::table::{COMMIT, LakeTable};
use super::tally::{self, TALLY, Tally};
use crate::clock::Clock;
use crate::error::{Context, Error, Kind, Result};

/// What a commit does.
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
    /// What is being done, for the table's history: `upsert`, `archive` … never a person's data.
    pub operation: &'static str,
}

impl Change {
    /// Would the commit change nothing?
    pub fn is_empty(&self) -> bool {
        self.adds.is_empty() && self.removes.is_empty() && self.transactions.is_empty()
    }
}

/// Commits a change built on `base`, or fails with a conflict when anybody has committed since: then the caller rebuilds
/// the change on the newest snapshot and tries again. Files written for a lost change are swept by vacuum.
///
/// A call may fail although the commit landed. After any error the log is read again for our own transaction before the
/// outcome is decided, so an error means that nothing was committed.
pub async fn commit(table: &LakeTable, base: &Snapshot, change: Change, clock: &dyn Clock) -> Result<Arc<Snapshot>> {
    landed::all_there(table, &change.adds).await?;
    let nonce = (Uuid::new_v4().as_u128() >> 65) as i64;
    let now = clock.now().timestamp_millis();
    let mut actions: Vec<Action> = Vec::new();
    let grown = table.table.fields.iter().any(|field| !base.columns.iter().any(|column| *column == field.name));
    if base.version.is_none() {
        actions.push(from_json(table, serde_json::json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}))?);
    }
    if grown {
        actions.push(metadata(table, base, now)?);
    }
    actions.extend(change.removes.iter().map(|file| Action::Remove(remove(file, !change.same_rows, now))));
    actions.extend(change.adds.into_iter().map(|add| Action::Add(Add { data_change: !change.same_rows, ..add })));
    let counted = !change.tally.is_empty();
    if counted {
        tally::write(table, base, &change.tally, nonce).await?;
    }
    let tallied = counted.then_some((TALLY, nonce));
    let transactions = std::iter::once((COMMIT, nonce)).chain(tallied).chain(change.transactions);
    let properties = CommitProperties::default()
        .with_max_retries(0)
        .with_metadata([("ier.operation".to_owned(), change.operation.into()), seal::place()])
        .with_application_transactions(transactions.map(|(name, value)| Transaction::new(name, value)).collect())
        // Entries older than a checkpoint and the table's log retention (30 days) go with the next checkpoint.
        .with_cleanup_expired_logs(Some(true));
    let partition_by = table.role.partition_column().map(|column| vec![column.to_owned()]);
    let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by, predicate: None };
    let reference = base.state.as_ref().map(|state| state as &dyn TableReference);
    let outcome =
        CommitBuilder::from(properties).with_actions(actions).build(reference, table.log_store.clone(), operation).await;
    match outcome {
        Ok(done) => table.committed(done.snapshot()).await,
        Err(error) => settle(table, base, nonce, error.into()).await,
    }
}

/// Deletes files written for a change that lost its race for good: no log will ever name them. What cannot be deleted now is left
/// to vacuum.
///
/// They may hold rows that were erased meanwhile, so they should not wait for it.
pub async fn forsake(table: &LakeTable, adds: &[Add]) {
    let paths: Vec<String> = adds.iter().map(|add| add.path.clone()).collect();
    forsake_paths(table, &paths).await;
}

/// [`forsake`] by paths below the table; those that are not there are passed over.
pub async fn forsake_paths(table: &LakeTable, paths: &[String]) {
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
    Err(Error::conflict(format!("{} is changed by others all the time: try again", table.name())))
}

/// Finds out what became of a commit whose call failed.
async fn settle(table: &LakeTable, base: &Snapshot, nonce: i64, error: Error) -> Result<Arc<Snapshot>> {
    let newest = table
        .snapshot()
        .await
        .context(|| format!("{}: a commit failed ({error}), and whether it landed is unknown", table.name()))?;
    let first = base.version.map_or(0, |version| version + 1);
    let Some(last) = newest.version.filter(|last| *last >= first) else {
        return Err(error.context(format!("cannot commit to {}", table.name())));
    };
    for version in first..=last {
        let entry = table.log_store.read_commit_entry(version).await?;
        let text =
            entry.ok_or_else(|| Error::unavailable(format!("{}: version {version} vanished from the log", table.name())))?;
        if holds(&text, nonce)? {
            return Ok(newest);
        }
    }
    Err(Error::conflict(format!("{} changed from version {:?} to {last} meanwhile", table.name(), base.version))
        .with_source(error))
}

/// Does a log entry hold our transaction?
fn holds(entry: &[u8], nonce: i64) -> Result<bool> {
    for line in entry.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let action: serde_json::Value =
            serde_json::from_slice(line).map_err(|error| Error::corrupt(format!("unreadable log entry: {error}")))?;
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
    Error::internal(format!("cannot describe {} for the log: {error}", table.name()))
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
pub fn partition_values(table: &LakeTable, partition: super::snapshot::Partition) -> HashMap<String, Option<String>> {
    table.role.partition_column().map(|column| (column.to_owned(), partition.value())).into_iter().collect()
}
