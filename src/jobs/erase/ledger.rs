//! The ledger of erasures, one row a step: begun; removed from all tables; purged from all objects. Each row has the receipt so far,
//! which proves the erasure and names nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, TimestampMicrosecondType};
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::lake::log::purge::Purged;
use crate::lake::paths::Role;
use crate::lake::read;
use crate::record::fields::{Kind, Table, known};
use crate::tiers::upsert::Upsert;
use crate::tiers::warehouse::Warehouse;

/// The engine, as receipts name it.
pub const ENGINE: &str = concat!("ier ", env!("CARGO_PKG_VERSION"));

/// A step's row, in memory.
const BUFFER_BYTES: usize = 1 << 20;

/// The step that an erasure has reached.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The list refuses their rows; tables are about to be changed.
    Begun,
    /// No table shows a row of theirs.
    Removed,
    /// No object holds one.
    Purged,
}

impl Step {
    const NAMES: [(Step, &'static str); 3] = [(Step::Begun, "begun"), (Step::Removed, "removed"), (Step::Purged, "purged")];

    fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// What proves an erasure, and names nobody: people stand in it as hashes under the warehouse's key.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Receipt {
    /// The erasure.
    pub erasure_id: String,
    /// The engine that did it.
    pub engine: String,
    /// Every id of the people, hashed.
    pub subjects: Vec<String>,
    /// Rows removed from tables.
    pub rows: u64,
    /// By table: what was written anew.
    pub tables: Vec<TableReceipt>,
    /// Rows removed from rejects files.
    pub rejected_rows: u64,
    /// Version of each table's log when the last row was gone.
    pub versions: BTreeMap<String, u64>,
    /// What was deleted for good, by table.
    pub purged: BTreeMap<String, Purged>,
}

/// The receipt for one table.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct TableReceipt {
    /// The table, with its tier.
    pub table: String,
    /// Rows removed.
    pub rows: u64,
    /// Version of the commit that removed them.
    pub version: Option<u64>,
    /// The files they stood in.
    pub files: Vec<FileReceipt>,
}

/// A file written anew.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct FileReceipt {
    /// As it was.
    pub before: FileState,
    /// As it is; none when no row stayed.
    pub after: Option<FileState>,
    /// Rows that went.
    pub rows_removed: u64,
    /// Of its row groups, those copied byte for byte.
    pub groups_copied: u64,
    /// And those encoded anew.
    pub groups_encoded: u64,
}

/// A file.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct FileState {
    /// Its path below the table.
    pub path: String,
    /// Its hash.
    pub blake3: Option<String>,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// One row of the ledger.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The step.
    pub step: Step,
    /// When.
    pub at: DateTime<Utc>,
    /// By when old versions are to be deleted.
    pub due: DateTime<Utc>,
    /// Why, as stated.
    pub reason: Option<String>,
    /// By whom.
    pub author: Option<String>,
    /// The receipt.
    pub receipt: Receipt,
}

fn table() -> Result<&'static Arc<Table>> {
    known("erasure").ok_or_else(|| Error::internal("no ledger of erasures"))
}

/// Enters a step; one that is there already stays as it was first written.
pub async fn enter(warehouse: &Arc<Warehouse>, entry: &Entry) -> Result<()> {
    let text = |text: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    let time = |at: DateTime<Utc>| -> Result<ArrayRef> {
        Ok(cast(&TimestampMicrosecondArray::from(vec![at.timestamp_micros()]), &Kind::Time.lake_type())?)
    };
    let receipt = serde_json::to_string(&entry.receipt);
    let receipt = receipt.map_err(|error| Error::internal(phrase!("a receipt cannot be written as json: {error}")))?;
    let columns = [
        ("erasure_id", text(Some(&entry.receipt.erasure_id))),
        ("step", text(Some(entry.step.name()))),
        ("at", time(entry.at)?),
        ("due", time(entry.due)?),
        ("reason", text(entry.reason.as_deref())),
        ("author", text(entry.author.as_deref())),
        ("receipt", text(Some(&receipt))),
    ];
    let fields: Vec<Field> = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let row = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.map(|(_, column)| column).to_vec())?;
    let mut upsert = Upsert::new(warehouse, table()?, BUFFER_BYTES).await?;
    upsert.push(&row)?;
    upsert.write().await?;
    Ok(())
}

/// All erasures, each with its steps.
pub async fn all(warehouse: &Arc<Warehouse>) -> Result<BTreeMap<String, BTreeMap<Step, Entry>>> {
    let lake = warehouse.table(Role::Reference, table()?).await?;
    let mut erasures: BTreeMap<String, BTreeMap<Step, Entry>> = BTreeMap::new();
    for file in lake.snapshot().await?.files() {
        let columns = ["erasure_id", "step", "reason", "author", "receipt", "at", "due"];
        let mut rows = read::open(&lake, file).await?.stream(Some(&columns), None)?;
        while let Some(batch) = rows.try_next().await? {
            let texts: Vec<_> = (0..5).map(|at| cast(batch.column(at), &DataType::Utf8)).collect::<Result<_, _>>()?;
            for row in 0..batch.num_rows() {
                let text = |at: usize| {
                    let column = texts[at].as_string::<i32>();
                    column.is_valid(row).then(|| column.value(row).to_owned())
                };
                let time = |at: usize| {
                    DateTime::from_timestamp_micros(batch.column(at).as_primitive::<TimestampMicrosecondType>().value(row))
                };
                let step = text(1).and_then(|name| Step::NAMES.iter().find(|(_, own)| *own == name).map(|(step, _)| *step));
                let receipt = text(4).and_then(|text| serde_json::from_str(&text).ok());
                let (Some(id), Some(step), Some(at), Some(due), Some(receipt)) = (text(0), step, time(5), time(6), receipt)
                else {
                    return Err(Error::corrupt(phrase!("{}, row {row} of {}: unreadable", lake.name(), file.path(&lake.folder))));
                };
                let entry = Entry { step, at, due, reason: text(2), author: text(3), receipt };
                erasures.entry(id).or_default().insert(step, entry);
            }
        }
    }
    Ok(erasures)
}
