//! The appendix of a data file: its [rollup](super::rollup) and its [rare rows](super::rare).
//!
//! Each is one Arrow IPC batch between the last row group and the footer, where other engines do not look. The log entry names
//! its position and its hash, so an appendix is committed and removed together with its file.

use std::io::Cursor;
use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};

use crate::error::{Error, Result};

/// The position of an appendix in its file, and its hash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Its bytes.
    pub bytes: Range<u64>,
    /// Their blake3 hash, in hexadecimal.
    pub blake3: String,
}

impl Place {
    /// Of these bytes, which begin at `start`.
    pub fn of(start: u64, bytes: &[u8]) -> Self {
        Self { bytes: start..start + bytes.len() as u64, blake3: blake3::hash(bytes).to_hex().to_string() }
    }

    /// As the log writes it: `start:end:hash`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let bytes = parts.next()?.parse().ok()?..parts.next()?.parse().ok()?;
        Some(Self { bytes, blake3: parts.next()?.to_owned() }).filter(|place| !place.bytes.is_empty())
    }

    /// The bytes of the appendix in a whole file; empty when the file is shorter.
    pub fn within<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        file.get(self.bytes.start as usize..self.bytes.end as usize).unwrap_or_default()
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.bytes.start, self.bytes.end, self.blake3)
    }
}

/// The bytes of an appendix.
pub fn encode(batch: &RecordBatch) -> Result<Vec<u8>> {
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options)?;
    writer.write(batch)?;
    Ok(writer.into_inner()?)
}

/// Reads what [`encode`] wrote: the columns for which `is_wanted`. `what` names it in errors.
///
/// # Errors
/// Corrupt when the bytes are not those that were written there.
pub fn decode(bytes: &[u8], place: &Place, what: &str, is_wanted: impl Fn(&str) -> bool) -> Result<RecordBatch> {
    if blake3::hash(bytes).to_hex().as_str() != place.blake3 {
        return Err(Error::corrupt(phrase!("its {what} not what was written")));
    }
    let stored = StreamReader::try_new(Cursor::new(bytes), None)?.schema();
    let wanted =
        |schema: &Schema| -> Vec<usize> { (0..schema.fields().len()).filter(|at| is_wanted(schema.field(*at).name())).collect() };
    let mut batches = StreamReader::try_new(Cursor::new(bytes), Some(wanted(&stored)))?;
    batches.next().transpose()?.ok_or_else(|| Error::corrupt(phrase!("its {what} empty")))
}
