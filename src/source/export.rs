//! An export file as batches of its table: opened, recognised, read to the end; every row comes out or is rejected.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use chrono_tz::Tz;

use super::csv::CsvRows;
use super::decode::{self, Content, Found};
use super::digest::Digest;
use super::inputs::Input;
use super::layout::Layout;
use super::parquet::ParquetRows;
use super::recognise::{key_needs, recognise};
use super::reject::RejectSink;
use crate::error::{Error, Result};
use crate::record::fields::Table;
use crate::record::key::complete;

pub use super::decode::Progress;

/// Rows of a batch: large enough to make columns worth while, small enough for a processor's cache and any memory limit.
pub const BATCH_ROWS: usize = 64 << 10;

/// How exports are read.
#[derive(Clone)]
pub struct ReadOptions {
    /// The table to load into, instead of what header and name say.
    pub as_table: Option<String>,
    /// The zone of moments that have none.
    pub zone: Tz,
    /// Rows of a batch, at most.
    pub batch_rows: usize,
    /// Told the raw bytes (of the file on disk, packed as it is) read since the last call.
    pub progress: Progress,
}

impl ReadOptions {
    /// Everything recognised by itself, moments without zone in this one.
    pub fn new(zone: Tz) -> Self {
        Self { as_table: None, zone, batch_rows: BATCH_ROWS, progress: None }
    }
}

/// One export: its table, and its rows batch by batch.
pub struct Export {
    /// The file, or `file!member` of a zip.
    pub name: String,
    /// The table it belongs to.
    pub table: Arc<Table>,
    /// The headers the table does not know; their values are kept in `custom`.
    pub unknown: Vec<String>,
    rows: Rows,
}

enum Rows {
    Csv(Box<CsvRows>),
    Parquet(Box<ParquetRows>),
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export").field("name", &self.name).field("table", &self.table.name).finish_non_exhaustive()
    }
}

impl Export {
    /// The next batch, with all columns of [`Table::lake_schema`]; `None` at the end. Rows that cannot be taken go to
    /// `rejects`.
    ///
    /// # Errors
    /// Invalid when there is a header but no row, corrupt when the file ends or breaks in the middle, and what `rejects`
    /// returns. After an error the export is not to be read on.
    pub fn next(&mut self, rejects: &mut dyn RejectSink) -> Result<Option<RecordBatch>> {
        match &mut self.rows {
            Rows::Csv(rows) => rows.next(rejects),
            Rows::Parquet(rows) => rows.next(rejects),
        }
    }

    /// Data rows seen so far, with those rejected.
    pub fn rows_read(&self) -> u64 {
        match &self.rows {
            Rows::Csv(rows) => rows.rows_read(),
            Rows::Parquet(rows) => rows.rows_read(),
        }
    }
}

/// An input, opened: one export, or one for each member of a zip.
pub struct Opened {
    /// What has not been read, in order.
    found: VecDeque<Found>,
    options: ReadOptions,
    /// Its size and hash, to be asked when the exports are read.
    pub digest: Digest,
}

impl Opened {
    /// Opens the next export and recognises it; `None` when there are no more. Only one is to be open at a time: the one before
    /// has been read to its end.
    ///
    /// # Errors
    /// Invalid when it is empty or of no known table, corrupt when it is damaged.
    pub fn next_export(&mut self) -> Result<Option<Export>> {
        while let Some(found) = self.found.pop_front() {
            match found.content {
                Content::Packed(member) => {
                    let inside = member.open(&found.name, &found.file_name)?;
                    inside.into_iter().rev().for_each(|found| self.found.push_front(found));
                }
                Content::Text(_) | Content::Parquet(_) => return export(found, &self.options).map(Some),
            }
        }
        Ok(None)
    }
}

/// Opens an input, a zip down to the list of its members.
///
/// # Errors
/// Not found or unavailable when it cannot be read, invalid when it is empty, corrupt when it is damaged.
pub fn open(input: &Input, options: &ReadOptions) -> Result<Opened> {
    let (found, digest) = decode::find(input, &options.progress)?;
    Ok(Opened { found: found.into(), options: options.clone(), digest })
}

fn export(found: Found, options: &ReadOptions) -> Result<Export> {
    let Found { name, file_name, content } = found;
    let lay = |headers: Vec<String>| -> Result<Layout> {
        let table = recognise(&headers, options.as_table.as_deref(), &file_name).map_err(|error| error.context(&name))?;
        Ok(Layout::new(table, headers))
    };
    let (table, unknown, rows) = match content {
        Content::Text(stream) => {
            let rows = CsvRows::open(&name, stream, lay, options)?;
            (rows.layout().table.clone(), rows.layout().unknown.clone(), Rows::Csv(Box::new(rows)))
        }
        Content::Parquet(chunks) => {
            let rows = ParquetRows::open(&name, chunks, lay, options)?;
            (rows.layout().table.clone(), rows.layout().unknown.clone(), Rows::Parquet(Box::new(rows)))
        }
        Content::Packed(_) => return Err(Error::internal(format!("{name} was not opened"))),
    };
    Ok(Export { name, table, unknown: unknown.into_iter().map(|(_, header)| header).collect(), rows })
}

/// Leaves out the refused rows and completes the others; `keyless` hears of the rows (by place in `told`) without a key.
pub(super) fn complete_rows(
    table: &Table,
    told: &RecordBatch,
    refused: &[usize],
    mut keyless: impl FnMut(usize, String) -> Result<()>,
) -> Result<RecordBatch> {
    let mut taken: Option<Vec<usize>> = None;
    let mut kept = told.clone();
    if !refused.is_empty() {
        let mut keep = vec![true; told.num_rows()];
        for &row in refused {
            keep[row] = false;
        }
        kept = filter_record_batch(told, &BooleanArray::from(keep.clone()))?;
        taken = Some((0..told.num_rows()).filter(|&row| keep[row]).collect());
    }
    let completed = complete(table, &kept)?;
    for row in completed.keyless {
        let row = taken.as_ref().map_or(row, |taken| taken[row]);
        keyless(row, format!("no key: {}", key_needs(table)))?;
    }
    Ok(completed.batch)
}

/// What is said of an export without rows.
pub(super) fn no_rows(name: &str) -> Error {
    Error::invalid(format!("{name} has a header but no rows"))
}

#[cfg(test)]
mod tests;
