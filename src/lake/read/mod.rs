//! Reads a table's files: as they are for folds and verification, in a plan for SQL.

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use object_store::ObjectStore;

use crate::error::Result;
use crate::lake::file::open::{OpenFile, open_as};
use crate::lake::file::reader::Reader;
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;

// Decodes rows from bytes that were read just now and have the hash in the log.
pub mod proof;

// Reads new files back, and compares their rows with those that were written.
pub mod verify;

// Checks one file from end to end: its hash, and what the log says of its rows.
pub mod inspect;

// How a tier may be read: whether the wanted rows are few, or rare, and whether raw pages are allowed.
pub mod tier;

// Reads the rows of a few people in as few requests as possible.
pub mod people;

// Reads rows together with their positions: the file, and the number of the row in it.
pub mod placed;

// Plan nodes that read rollups and rare rows for SQL.
pub mod appendix_scan;

// Reads a table for SQL: chooses files and pages, and makes a plan that DataFusion can optimise.
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
