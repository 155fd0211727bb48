//! Checksums of a file's pages: a byte that changes in a page is found when the page is read.
//!
//! Nothing else would find it. Parquet has a checksum for pages, but the crate does not write it, and it would not cover the page's
//! header, its number of values and encoding among it, nor key filters. So every file of ours has a CRC-32 of each page with its
//! header, of each dictionary and of each key filter. They stand behind the last of these, four bytes each, in the order of the
//! pieces in the file: what the pieces are follows from the footer. The *tail* of the file (checksums, page indexes and footer) is
//! proved by its blake3 hash in the log (tag `ier.tail`, with its size, so that it is one request however large it is), and the
//! log proves itself ([`super::seal`]). From the first page to the end there is no byte that is not covered.
//!
//! Other engines do not see the checksums: nothing in the footer points there. Files written before there were any have no such
//! tag, and are read as they are.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};

use super::thrift::{Compact, I32};
use crate::error::Error;

/// Bytes before the first page.
const MAGIC_BYTES: u64 = 4;

/// Bytes of a checksum.
const SUM_BYTES: usize = 4;

/// What proves the end of a file: checksums, page indexes and footer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tail {
    /// Its size.
    pub bytes: u64,
    /// blake3 hash, in hexadecimal.
    pub blake3: String,
}

impl Tail {
    /// The tail with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, blake3: blake3::hash(bytes).to_hex().to_string() }
    }

    /// As the log writes it: `size:hash`.
    pub fn parse(text: &str) -> Option<Self> {
        let (bytes, blake3) = text.split_once(':')?;
        Some(Self { bytes: bytes.parse().ok()?, blake3: blake3.to_owned() })
    }

    /// Reads the footer of a file of `file_bytes` from its tail, after checking it.
    ///
    /// # Errors
    /// Corrupt, without the file's name, when the tail is not what was written.
    pub fn read(&self, tail: Bytes, file_bytes: u64) -> Result<(ParquetMetaData, Sums)> {
        if *self != Self::of(&tail) {
            return Err(damaged("its footer or page index is not what was written"));
        }
        let mut reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
        reader.try_parse_sized(&tail, file_bytes)?;
        let metadata = reader.finish()?;
        let end = file_bytes.checked_sub(self.bytes).ok_or_else(|| damaged("it is shorter than its tail"))?;
        let sums = Sums::read(&metadata, &tail, end)?;
        Ok((metadata, sums))
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bytes, self.blake3)
    }
}

/// An error of ours on its way through the parquet crate.
pub fn damaged(what: impl Into<String>) -> ParquetError {
    ParquetError::External(Box::new(Error::corrupt(what)))
}

/// The checksums of a file.
#[derive(Debug)]
pub struct Sums {
    /// Where each piece begins; it ends where the next begins.
    starts: Vec<u64>,
    sums: Vec<u32>,
    /// Where the last piece ends.
    end: u64,
}

impl Sums {
    /// Takes the checksums from a tail that begins at `end`, and finds the pieces they are of.
    fn read(metadata: &ParquetMetaData, tail: &[u8], end: u64) -> Result<Self> {
        let starts = pieces(metadata, end).ok_or_else(|| damaged("its pages do not follow each other"))?;
        let sums = tail.as_chunks::<SUM_BYTES>().0.iter().map(|sum| u32::from_le_bytes(*sum));
        let sums: Vec<u32> = sums.take(starts.len()).collect();
        if sums.len() < starts.len() {
            return Err(damaged("it has fewer checksums than pages"));
        }
        Ok(Self { starts, sums, end })
    }

    /// The bytes of memory it takes.
    pub fn memory_bytes(&self) -> usize {
        self.starts.len() * size_of::<u64>() + self.sums.len() * size_of::<u32>()
    }

    /// The whole pieces in which a range lies, and the number of the first; readers ask for whole pieces already.
    pub fn whole(&self, range: &Range<u64>) -> (Range<u64>, usize) {
        let first = self.starts.partition_point(|start| *start <= range.start).saturating_sub(1);
        if range.is_empty() {
            return (range.clone(), first);
        }
        let start = self.starts.get(first).copied().unwrap_or(range.start).min(range.start);
        // Neighbours are few.
        let end = self.starts.iter().skip(first + 1).find(|start| **start >= range.end).copied().unwrap_or(self.end);
        (start..end.max(range.end), first)
    }

    /// Checks whole pieces: their bytes begin at `start`, with the piece of this number.
    ///
    /// # Errors
    /// Corrupt, without the file's name, when one is not what was written, or bytes were asked for that belong to none.
    pub fn check(&self, start: u64, mut piece: usize, bytes: &[u8]) -> Result<()> {
        if self.starts.get(piece) != Some(&start) {
            return Err(damaged(format!("no page begins at byte {start}")));
        }
        let mut done = 0;
        while done < bytes.len() {
            let (Some(first), Some(sum)) = (self.starts.get(piece), self.sums.get(piece)) else {
                return Err(damaged(format!("no page begins at byte {}", start + done as u64)));
            };
            let end = self.starts.get(piece + 1).copied().unwrap_or(self.end);
            let whole = bytes.get(done..done + (end - first) as usize);
            if whole.is_none_or(|whole| crc32fast::hash(whole) != *sum) {
                return Err(damaged(format!("bytes {first} to {end} are not what was written")));
            }
            done += (end - first) as usize;
            piece += 1;
        }
        Ok(())
    }
}

/// Where each piece of a file begins: dictionaries and pages by row group and column, then the row group's key filters.
/// None when they do not follow each other, from the first byte to `end`.
fn pieces(metadata: &ParquetMetaData, end: u64) -> Option<Vec<u64>> {
    let pages = metadata.offset_index()?.iter().flatten().map(|pages| pages.page_locations().len() + 1).sum::<usize>();
    let mut starts = Vec::with_capacity(pages);
    let mut next = MAGIC_BYTES;
    let mut piece = |start: u64, bytes: u64| {
        starts.push(start);
        let follows = start == next && bytes > 0;
        next = start.checked_add(bytes)?;
        follows.then_some(())
    };
    for (group, index) in metadata.row_groups().iter().zip(metadata.offset_index()?) {
        for (column, pages) in group.columns().iter().zip(index) {
            let (start, bytes) = column.byte_range();
            let pages = pages.page_locations();
            let first = pages.first().map_or(start + bytes, |page| page.offset.max(0) as u64);
            if first > start {
                piece(start, first - start)?;
            }
            for page in pages {
                piece(page.offset.max(0) as u64, page.compressed_page_size.max(0) as u64)?;
            }
        }
        for (start, bytes) in filters(group) {
            piece(start, bytes)?;
        }
    }
    (next == end && metadata.row_groups().len() == metadata.offset_index()?.len()).then_some(starts)
}

/// Start and size of a row group's key filters.
fn filters(group: &RowGroupMetaData) -> impl Iterator<Item = (u64, u64)> + '_ {
    group
        .columns()
        .iter()
        .filter_map(|column| Some((column.bloom_filter_offset()?.max(0) as u64, column.bloom_filter_length()?.max(0) as u64)))
}

/// Makes the checksums of a file while it is written, a row group at a time.
#[derive(Debug, Default)]
pub struct Summing {
    sums: Vec<u8>,
    groups: usize,
}

impl Summing {
    /// How many row groups it has taken in.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Takes the row groups in that were written since the last call: `bytes`, which begin at `start` in the file.
    ///
    /// # Errors
    /// Internal when they are not the row groups the footer will describe.
    pub fn add(&mut self, groups: &[RowGroupMetaData], start: u64, bytes: &[u8]) -> crate::error::Result<()> {
        let wrong = || Error::internal("the bytes of a row group are not as they were described");
        let at = |place: u64| place.checked_sub(start).map(|place| place as usize);
        for group in groups.iter().skip(self.groups) {
            for column in group.columns() {
                let (first, size) = column.byte_range();
                let chunk = at(first).and_then(|first| bytes.get(first..first + size as usize)).ok_or_else(wrong)?;
                let mut rest = chunk;
                while !rest.is_empty() {
                    let (page, after) = page_bytes(rest).and_then(|page| rest.split_at_checked(page)).ok_or_else(wrong)?;
                    self.push(page);
                    rest = after;
                }
            }
            for (first, size) in filters(group) {
                self.push(at(first).and_then(|first| bytes.get(first..first + size as usize)).ok_or_else(wrong)?);
            }
        }
        self.groups = groups.len();
        Ok(())
    }

    fn push(&mut self, piece: &[u8]) {
        self.sums.extend_from_slice(&crc32fast::hash(piece).to_le_bytes());
    }

    /// What stands at the beginning of the tail.
    pub fn sums(&self) -> &[u8] {
        &self.sums
    }
}

/// The bytes of the page that begins here, with its header: a Thrift structure in the compact protocol whose third field is the
/// size of what follows it.
fn page_bytes(bytes: &[u8]) -> Option<usize> {
    let mut header = Compact::new(bytes);
    let mut size = None;
    header.structure(&mut |header, field, kind| {
        if field == 3 && kind == I32 {
            size = usize::try_from(header.zigzag()?).ok();
            return Some(());
        }
        header.skip(kind)
    })?;
    header.at().checked_add(size?)
}
