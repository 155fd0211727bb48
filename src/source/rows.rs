//! What the readers of all formats share: their options, their results, the counts of irregularities, and the last step: rejecting rows
//! and completing batches.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;

use super::reading::Asked;
use super::recognise::key_needs;
use super::stream::Progress;
use crate::error::Result;
use crate::record::fields::Table;
use crate::record::key::complete;

/// Rows of a batch: large enough to make columns worth while, small enough for a processor's cache and any memory limit.
pub const BATCH_ROWS: usize = 64 << 10;
/// The longest record, in bytes.
pub const RECORD_BYTES: usize = 16 << 20;

/// Options for reading exports.
#[derive(Clone)]
pub struct ReadOptions {
    /// What whoever loads them says of them.
    pub asked: Asked,
    /// Detect how each file is to be read from the whole of it, rather than from its beginning.
    pub whole: bool,
    /// Rows of a batch, at most.
    pub batch_rows: usize,
    /// Bytes of a record, at most.
    pub record_bytes: usize,
    /// Told the raw bytes (of the file on disk, packed as it is) read since the last call.
    pub progress: Progress,
}

impl ReadOptions {
    /// The default options, with only `asked` set.
    pub fn new(asked: Asked) -> Self {
        Self { asked, whole: false, batch_rows: BATCH_ROWS, record_bytes: RECORD_BYTES, progress: None }
    }
}

/// The next result of reading an export.
#[derive(Debug)]
pub enum Next {
    /// A batch, with all columns of [`Table::lake_schema`].
    Rows(RecordBatch),
    /// There are no more.
    End,
    /// The file does not go on as it began: what was read of it is void. To be opened again, as a `whole`.
    Otherwise,
}

/// Irregularities of an export that did not prevent its rows from being loaded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Irregularities {
    /// Rows in whose texts bytes that are no characters were replaced.
    pub repaired: u64,
    /// Lines behind the table.
    pub trailing: u64,
    /// Repetitions of the header.
    pub headers: u64,
    /// Rows in which a quote stands within a text that is in no quotes; it was kept as a character.
    pub quotes: u64,
    /// The line of the last row, where no line end stands behind it and nothing shows that its last value is whole; 0 otherwise.
    pub unended: u64,
    /// Moments that do not exist in the zone they were read in.
    pub skipped: u64,
    /// Does the file say that there is more than it holds?
    pub more: bool,
}

/// Leaves out the refused rows and completes the others; `keyless` hears of the rows (by place in `provided`) without a key.
pub(super) fn complete_rows(
    table: &Table,
    provided: &RecordBatch,
    refused: &[usize],
    mut keyless: impl FnMut(usize, String) -> Result<()>,
) -> Result<RecordBatch> {
    let mut taken: Option<Vec<usize>> = None;
    let mut kept = provided.clone();
    if !refused.is_empty() {
        let mut keep = vec![true; provided.num_rows()];
        for &row in refused {
            keep[row] = false;
        }
        kept = filter_record_batch(provided, &BooleanArray::from(keep.clone()))?;
        taken = Some((0..provided.num_rows()).filter(|&row| keep[row]).collect());
    }
    let completed = complete(table, &kept)?;
    for row in completed.keyless {
        let row = taken.as_ref().map_or(row, |taken| taken[row]);
        keyless(row, format!("no key: {}", key_needs(table)))?;
    }
    Ok(completed.batch)
}
