//! Reads files back after they were written, and compares their rows with those that went in, before anything relies on them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::{Context, Error, Result};
use crate::lake::file::sort::Sorted;
use crate::lake::file::tags;
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::lake::parallel::in_parallel;
use crate::lake::read;
use crate::record::fields::hidden;

/// Number of rows and a sum over their keys and stamps that does not depend on their order: two sets of rows with equal
/// sums hold the same versions of the same keys.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RowSum {
    /// Rows.
    pub rows: u64,
    sum: u128,
}

impl RowSum {
    /// The columns a sum is made of. Tables that are no objects of Salesforce have no stamps.
    pub const COLUMNS: [&'static str; 3] = [hidden::KEY, "system_modstamp", "last_modified_date"];

    /// Adds a batch that has [`RowSum::COLUMNS`], as far as its table has them.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let keys = batch.column_by_name(hidden::KEY).ok_or_else(|| Error::internal("no keys to sum"))?.as_string::<i32>();
        let stamps: Vec<_> = RowSum::COLUMNS[1..]
            .iter()
            .filter_map(|name| Some(batch.column_by_name(name)?.as_primitive::<arrow::datatypes::TimestampMicrosecondType>()))
            .collect();
        for row in 0..batch.num_rows() {
            // SipHash with fixed keys: the bytes themselves are covered by blake3, this finds lost or exchanged rows.
            let mut hasher = DefaultHasher::new();
            keys.value(row).hash(&mut hasher);
            for stamp in &stamps {
                let stamp = arrow::array::Array::is_valid(*stamp, row).then(|| stamp.value(row));
                stamp.hash(&mut hasher);
            }
            self.sum = self.sum.wrapping_add(hasher.finish().into());
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Both sets together.
    pub fn and(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, sum: self.sum.wrapping_add(other.sum) }
    }
}

/// The stream, summed into `sum` as it passes.
pub fn summed(rows: Sorted, sum: Arc<std::sync::Mutex<RowSum>>) -> Sorted {
    rows.map(move |batch| {
        let batch = batch?;
        sum.lock().map_err(|_| Error::internal("a sum's lock is poisoned"))?.add(&batch)?;
        Ok(batch)
    })
    .boxed()
}

/// Reads files back from the store: their bytes have the hash the log will promise, their rows the sum that went in.
///
/// # Errors
/// Corrupt, naming the file or table, when they have not.
pub async fn read_back(table: &Arc<LakeTable>, files: Vec<DataFile>, expected: RowSum) -> Result<()> {
    let lake = table.clone();
    let sums = in_parallel(files, move |file| {
        let table = lake.clone();
        async move {
            check_bytes(&table, &file).await?;
            let mut sum = RowSum::default();
            let columns = RowSum::COLUMNS.into_iter().filter(|name| table.table.field(name).is_some()).collect::<Vec<_>>();
            let mut rows = read::open(&table, &file).await?.stream(Some(&columns), None)?;
            while let Some(batch) = rows.try_next().await? {
                sum.add(&batch)?;
            }
            Ok(sum)
        }
    })
    .await?;
    let found = sums.into_iter().fold(RowSum::default(), RowSum::and);
    if found != expected {
        return Err(Error::corrupt(phrase!(
            "{}: {} rows were written and {} read back, or their keys differ; nothing was committed",
            table.name(),
            expected.rows,
            found.rows
        )));
    }
    Ok(())
}

async fn check_bytes(table: &LakeTable, file: &DataFile) -> Result<()> {
    let path = file.path(&table.folder);
    let (_, found) = fingerprint(&table.store, &path).await.context(|| phrase!("cannot read back {path}"))?;
    match file.tag(tags::BLAKE3) {
        Some(expected) if expected == found => Ok(()),
        _ => Err(Error::corrupt(phrase!("{path} does not have the hash it was written with"))),
    }
}

/// Size and blake3 hash (in hexadecimal) of a file as it is in the store now.
pub async fn fingerprint(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<(u64, String)> {
    let mut parts = store.get(path).await?.into_stream();
    let mut hasher = blake3::Hasher::new();
    while let Some(part) = parts.try_next().await? {
        hasher.update(&part);
    }
    Ok((hasher.count(), hasher.finalize().to_hex().to_string()))
}
