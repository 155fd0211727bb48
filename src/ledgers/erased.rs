//! Adds entries to the list of what was erased. Rows that match an entry enter no table any more; see [`crate::tiers::suppressed`].

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{Field as ArrowField, Schema};
use chrono::{DateTime, Utc};

use crate::error::{Context, Result};
use crate::record::fields::Kind;
use crate::tiers::suppressed::{Hash, KEY, Key, Subject, list, table};
use crate::tiers::upsert::Upsert;
use crate::tiers::warehouse::Warehouse;

/// Puts subjects on the list; those on it stay as they were first written. When this returns they are on it.
pub async fn suppress(
    warehouse: &Arc<Warehouse>,
    key: &Key,
    subjects: &[Subject<'_>],
    at: DateTime<Utc>,
    erasure_id: &str,
) -> Result<()> {
    let known = list(warehouse).await?;
    let new: Vec<(&str, Hash)> = subjects
        .iter()
        .map(|subject| (subject.kind(), key.hash(*subject)))
        .filter(|(_, hash)| !known.subjects.contains_key(hash))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let times = TimestampMicrosecondArray::from_iter_values(new.iter().map(|_| at.timestamp_micros()));
    let hex = |hash: &Hash| blake3::Hash::from_bytes(*hash).to_hex().to_string();
    let columns: [(&str, ArrayRef); 4] = [
        ("kind", Arc::new(StringArray::from_iter_values(new.iter().map(|(kind, _)| kind)))),
        ("subject", Arc::new(StringArray::from_iter_values(new.iter().map(|(_, hash)| hex(hash))))),
        ("erased_at", cast(&times, &Kind::Time.lake_type())?),
        ("erasure_id", Arc::new(StringArray::from_iter_values(new.iter().map(|_| erasure_id)))),
    ];
    let schema: Vec<ArrowField> =
        columns.iter().map(|(name, column)| ArrowField::new(*name, column.data_type().clone(), true)).collect();
    let rows = RecordBatch::try_new(Arc::new(Schema::new(schema)), columns.map(|(_, column)| column).to_vec())?;
    let mut upsert = Upsert::new(warehouse, table()?, BUFFER_BYTES).await?.with_transaction(KEY, key.fingerprint());
    upsert.push(&rows)?;
    upsert.write().await.context(|| "cannot write the list of what was erased")?;
    Ok(())
}

/// Entries on their way into the ledger, in memory.
const BUFFER_BYTES: usize = 64 << 20;
