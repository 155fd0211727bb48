//! Decodes rows from bytes that were read just now and have the hash in the log.
//!
//! **Why.** The caller relies on the file for good: the record elsewhere is about to be deleted. The whole file is fetched, so
//! the decoded bytes are the hashed ones and not a second answer of the store. All columns are decoded, not only the wanted ones.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use crate::error::{Context, Error, Result};
use crate::lake::columns::pad;
use crate::lake::file::layout::lake_schema_of;
use crate::lake::file::sort::BATCH_ROWS;
use crate::lake::file::tags;
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;

/// A file whose bytes are in memory and have the right hash; decodes as it is iterated. Costs the file's bytes in memory.
pub struct Proved {
    name: String,
    rows: ParquetRecordBatchReader,
    target: SchemaRef,
    expected: u64,
    seen: u64,
}

/// Reads a file of a table whole and checks its hash.
///
/// # Errors
/// Not found; corrupt, naming the file, when its bytes are not those written; unavailable when the store does not answer.
pub async fn prove(table: &LakeTable, file: &DataFile) -> Result<Proved> {
    let path = file.path(&table.folder);
    let read = async { table.store.get(&path).await?.bytes().await };
    let bytes = read.await.context(|| phrase!("cannot read back {path}"))?;
    if file.tag(tags::BLAKE3) != Some(blake3::hash(&bytes).to_hex().as_str()) {
        return Err(Error::corrupt(phrase!("{path} does not have the hash it was written with")));
    }
    let undecodable = || format!("cannot decode {path}");
    let plain = ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new()).context(undecodable)?;
    let options = ArrowReaderOptions::new().with_schema(lake_schema_of(&table.table, plain.schema()));
    let metadata = ArrowReaderMetadata::try_new(plain.metadata().clone(), options).context(undecodable)?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata).with_batch_size(BATCH_ROWS);
    let rows = builder.build().context(undecodable)?;
    Ok(Proved { name: path.to_string(), rows, target: table.table.lake_schema(), expected: file.rows, seen: 0 })
}

impl Iterator for Proved {
    type Item = Result<RecordBatch>;

    /// The next rows, with all columns of the table. After the last: an error where the log promises another number.
    fn next(&mut self) -> Option<Self::Item> {
        let Some(batch) = self.rows.next() else {
            let (seen, expected) = (self.seen, std::mem::replace(&mut self.expected, self.seen));
            let wrong = || Err(Error::corrupt(phrase!("{} holds {seen} rows, the log says {expected}", self.name)));
            return (seen != expected).then(wrong);
        };
        let batch = batch.map_err(Error::from).and_then(|batch| pad(&batch, &self.target));
        self.seen += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        Some(batch.context(|| phrase!("cannot decode {}", self.name)))
    }
}
