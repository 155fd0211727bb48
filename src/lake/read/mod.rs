//! Reading a table's files: for folding and verifying as they are, for SQL in a plan.

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use object_store::ObjectStore;

use crate::error::Result;
use crate::lake::file::open::{OpenFile, open_as};
use crate::lake::file::reader::Reader;
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;

// Rows decoded from bytes that were read this moment and have the hash the log promises.
pub mod proof;

// Reading back what was written, before anything relies on it.
pub mod verify;

// One file, looked at from end to end: are its bytes and rows what the log says?
pub mod inspect;

// A tier's rows before they are read: what is known of them.
pub mod tier;

// The rows of a few people, by the shortest way there is.
pub mod people;

// Rows together with the place where they stand: file and number of the row in it.
pub mod placed;

// Reading for SQL what files carry beside their rows: rollups, and rare rows.
pub mod appendix_scan;

// Reading a table for SQL: which files, which of their pages, in a plan DataFusion can optimise.
pub mod scan;

/// Opens a file of a table: one request for footer and page index.
pub async fn open(table: &LakeTable, file: &DataFile) -> Result<OpenFile> {
    open_in(table, file, table.store.clone()).await
}

/// Opens a file of a table of which another store holds a copy, under the same path.
pub(super) async fn open_in(table: &LakeTable, file: &DataFile, store: Arc<dyn ObjectStore>) -> Result<OpenFile> {
    open_as(table.table.clone(), Reader::new(store, file.path(&table.folder), file.bytes(), file.tail()?)).await
}

/// Reads chosen rows of a file into one batch.
pub async fn fetch(table: &LakeTable, file: &DataFile, rows: &[u32]) -> Result<RecordBatch> {
    let batches: Vec<RecordBatch> = open(table, file).await?.stream(None, Some(rows))?.try_collect().await?;
    Ok(arrow::compute::concat_batches(&table.table.lake_schema(), &batches)?)
}
