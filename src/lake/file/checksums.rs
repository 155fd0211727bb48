//! Checksums of a file's pages: a changed byte in a page is found when the page is read.
//!
//! **Why.** Parquet defines a checksum for pages, but the parquet crate does not write it. It would also leave out the page's
//! header (with its number of values and its encoding) and the key filters.
//!
//! **How.** Each file has a CRC-32 of every page with its header, of every dictionary and of every key filter. They stand behind
//! the last of these, four bytes each, in the order of the pieces in the file; the footer says what the pieces are. The *tail* of
//! the file (checksums, page indexes and footer) is proved by its blake3 hash in the log. That hash is in the tag `ier.tail` with
//! the tail's size, so that one request fetches the tail however large it is. Rare rows before the tail are proved in the same
//! way ([`super::rare`]), and the log proves itself ([`crate::lake::log::seal`]).
//!
//! **Invariant**: every byte from the first page to the end of the file is covered.
//!
//! Other engines do not see the checksums, because nothing in the footer points to them. Files written before there were
//! checksums have no such tag and are read without.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::page_index::offset_index::PageLocation;
use parquet::schema::types::{SchemaDescriptor, Type};

use super::rare;
use crate::error::{Error, Message};
use crate::lake::file::pages::thrift::{Compact, I32, LIST};

/// Bytes before the first page.
const MAGIC_BYTES: u64 = 4;

/// Bytes of a checksum.
const SUM_BYTES: usize = 4;

/// The hash of a file's tail: checksums, page indexes and footer.
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
    pub fn read(&self, tail: Bytes, file_bytes: u64) -> Result<(ParquetMetaData, Checksums)> {
        let (metadata, start) = self.proved(&tail, file_bytes, PageIndexPolicy::Optional)?;
        let sums = Checksums::read(&metadata, &tail, start)?;
        Ok((metadata, sums))
    }

    /// The same, of a file that had only these columns: their page indexes are what a look-up needs, and reading those of all
    /// would take most of its time in a new process.
    ///
    /// # Errors
    /// As [`Tail::read`].
    pub fn read_some(&self, tail: Bytes, file_bytes: u64, columns: &[&str]) -> Result<(ParquetMetaData, Checksums)> {
        let (metadata, start) = self.proved(&tail, file_bytes, PageIndexPolicy::Skip)?;
        let places: Vec<usize> = metadata
            .file_metadata()
            .schema_descr()
            .columns()
            .iter()
            .enumerate()
            .filter_map(|(place, column)| columns.contains(&column.name()).then_some(place))
            .collect();
        let mut reader = ParquetMetaDataReader::new_with_metadata(projected(&metadata, &places)?)
            .with_page_index_policy(PageIndexPolicy::Optional);
        reader.read_page_indexes_sized(&tail, file_bytes)?;
        let projected = reader.finish()?;
        let sums = Checksums::read_some(&metadata, &places, &projected, &tail, start)?;
        Ok((projected, sums))
    }

    /// The footer, and where in the file the tail begins, once its bytes are proved.
    fn proved(&self, tail: &Bytes, file_bytes: u64, policy: PageIndexPolicy) -> Result<(ParquetMetaData, u64)> {
        if *self != Self::of(tail) {
            return Err(damaged("its footer or page index is not what was written"));
        }
        let mut reader = ParquetMetaDataReader::new().with_page_index_policy(policy);
        reader.try_parse_sized(tail, file_bytes)?;
        let start = file_bytes.checked_sub(self.bytes).ok_or_else(|| damaged("it is shorter than its tail"))?;
        Ok((reader.finish()?, start))
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bytes, self.blake3)
    }
}

/// The footer of a file that had only the columns at these places, which lie one beside the other.
fn projected(metadata: &ParquetMetaData, places: &[usize]) -> Result<ParquetMetaData> {
    let file = metadata.file_metadata();
    let root = file.schema_descr().root_schema();
    let fields = places.iter().filter_map(|place| root.get_fields().get(*place).cloned()).collect();
    let root = Type::group_type_builder(root.name()).with_fields(fields).build()?;
    let schema = Arc::new(SchemaDescriptor::new(Arc::new(root)));
    if schema.num_columns() != places.len() {
        return Err(damaged("it has columns within columns"));
    }
    let created_by = file.created_by().map(str::to_owned);
    let file = FileMetaData::new(file.version(), file.num_rows(), created_by, None, schema.clone(), None);
    let groups = metadata.row_groups().iter().map(|group| {
        let columns = places.iter().map(|place| group.column(*place).clone()).collect();
        RowGroupMetaData::builder(schema.clone())
            .set_num_rows(group.num_rows())
            .set_total_byte_size(group.total_byte_size())
            .set_column_metadata(columns)
            .build()
    });
    Ok(ParquetMetaData::new(file, groups.collect::<Result<_>>()?))
}

/// An error of ours on its way through the parquet crate.
pub fn damaged(what: impl Into<Message>) -> ParquetError {
    ParquetError::External(Box::new(Error::corrupt(what)))
}

/// The checksums of a file, or of some of its columns.
#[derive(Debug)]
pub struct Checksums {
    /// In the order of the file.
    pieces: Vec<Piece>,
    /// For each column chunk, and for the key filters behind a row group, where it begins in the file, and the number of its first
    /// piece.
    chunks: Vec<(u64, usize)>,
}

/// A page with its header, a dictionary, or a key filter.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u64,
    bytes: u32,
    sum: u32,
}

impl Piece {
    fn end(&self) -> u64 {
        self.start + u64::from(self.bytes)
    }
}

impl Checksums {
    /// Takes the checksums from a tail that begins at `end`, and finds the pieces they are of.
    fn read(metadata: &ParquetMetaData, tail: &[u8], end: u64) -> Result<Self> {
        let mut sums = tail.as_chunks::<SUM_BYTES>().0.iter().map(|sum| u32::from_le_bytes(*sum));
        let indexes = metadata.offset_index().ok_or_else(unordered)?;
        if indexes.len() != metadata.num_row_groups() {
            return Err(unordered());
        }
        let pages = indexes.iter().flatten().map(|pages| pages.page_locations().len() + 1).sum::<usize>();
        let mut all = Self { pieces: Vec::with_capacity(pages), chunks: Vec::new() };
        let mut next = MAGIC_BYTES;
        let mut add = |chunk: &mut dyn Iterator<Item = (u64, u64)>| {
            all.chunks.push((next, all.pieces.len()));
            for (start, bytes) in chunk {
                let sum = sums.next().ok_or_else(|| damaged("it has fewer checksums than pages"))?;
                let piece = Piece { start, bytes: u32::try_from(bytes)?, sum };
                if start != next || bytes == 0 {
                    return Err(unordered());
                }
                next = piece.end();
                all.pieces.push(piece);
            }
            Ok(())
        };
        for (group, index) in metadata.row_groups().iter().zip(indexes) {
            for (column, pages) in group.columns().iter().zip(index) {
                add(&mut pieces_of(column, pages.page_locations()))?;
            }
            add(&mut filters(group))?;
        }
        // Rare rows have a hash of their own.
        let follows = rare::place(metadata).map_or(end..end, |place| place.bytes);
        if next == follows.start && follows.end == end { Ok(all) } else { Err(unordered()) }
    }

    /// Takes the checksums of some columns (ascending) from a tail that begins at `end`; `projected` has their page indexes. Of the
    /// other columns only the number of pages is looked at.
    fn read_some(
        metadata: &ParquetMetaData,
        columns: &[usize],
        projected: &ParquetMetaData,
        tail: &[u8],
        end: u64,
    ) -> Result<Self> {
        let sums = tail.as_chunks::<SUM_BYTES>().0;
        let indexes = projected.offset_index().ok_or_else(unordered)?;
        let mut some = Self { pieces: Vec::new(), chunks: Vec::new() };
        let mut number = 0;
        for (group, index) in metadata.row_groups().iter().zip(indexes) {
            for (place, column) in group.columns().iter().enumerate() {
                let first = number;
                number += usize::from(column.dictionary_page_offset().is_some());
                number += page_count(column, tail, end).ok_or_else(unordered)?;
                let Ok(wanted) = columns.binary_search(&place) else { continue };
                let own = index.get(wanted).ok_or_else(unordered)?.page_locations();
                some.chunks.push((column.byte_range().0, some.pieces.len()));
                for (at, (start, bytes)) in pieces_of(column, own).enumerate() {
                    let sum = sums.get(first + at).ok_or_else(|| damaged("it has fewer checksums than pages"))?;
                    some.pieces.push(Piece { start, bytes: u32::try_from(bytes)?, sum: u32::from_le_bytes(*sum) });
                }
                if pieces_of(column, own).count() != number - first {
                    return Err(unordered());
                }
            }
            number += filters(group).count();
        }
        Ok(some)
    }

    /// The bytes of memory it takes.
    pub fn memory_bytes(&self) -> usize {
        self.pieces.len() * size_of::<Piece>() + self.chunks.len() * size_of::<(u64, usize)>()
    }

    /// The number of the piece in which a byte lies, or else of the one before. In its column chunk it is `near`, or the next, if
    /// it may be, and its place there is put down: the rows of a look-up stand in pages of the same number in all columns.
    fn piece_of(&self, byte: u64, near: &mut usize) -> usize {
        let after = self.chunks.partition_point(|(start, _)| *start <= byte);
        let first = after.checked_sub(1).and_then(|chunk| self.chunks.get(chunk)).map_or(0, |(_, first)| *first);
        let end = self.chunks.get(after).map_or(self.pieces.len(), |(_, first)| *first);
        let own = self.pieces.get(first..end).unwrap_or_default();
        let holds = |place: &usize| own.get(*place).is_some_and(|piece| (piece.start..piece.end()).contains(&byte));
        let found = [*near, *near + 1, near.saturating_sub(1)].into_iter().find(holds);
        *near = found.unwrap_or_else(|| own.partition_point(|piece| piece.start <= byte).saturating_sub(1));
        first + *near
    }

    /// The whole pieces in which each of some ranges lies, and the number of the first; readers ask for whole pieces already.
    pub fn whole(&self, ranges: &[Range<u64>]) -> (Vec<Range<u64>>, Vec<usize>) {
        let mut near = 0;
        ranges.iter().map(|range| self.whole_of(range, &mut near)).unzip()
    }

    fn whole_of(&self, range: &Range<u64>, near: &mut usize) -> (Range<u64>, usize) {
        let first = self.piece_of(range.start, near);
        if range.is_empty() {
            return (range.clone(), first);
        }
        let mut whole = range.clone();
        // Neighbours are few.
        for piece in self.pieces.iter().skip(first).take_while(|piece| piece.start < range.end && piece.end() > range.start) {
            whole = whole.start.min(piece.start)..whole.end.max(piece.end());
        }
        (whole, first)
    }

    /// Checks whole pieces: their bytes begin at `start`, with the piece of this number.
    ///
    /// # Errors
    /// Corrupt, without the file's name, when one is not what was written, or bytes were asked for that belong to none.
    pub fn check(&self, start: u64, first: usize, bytes: &[u8]) -> Result<()> {
        let mut pieces = self.pieces.iter().skip(first);
        let mut done = 0;
        while done < bytes.len() {
            let at = start + done as u64;
            let Some(piece) = pieces.next().filter(|piece| piece.start == at) else {
                return Err(damaged(phrase!("no page begins at byte {at}")));
            };
            let end = done + piece.bytes as usize;
            if bytes.get(done..end).is_none_or(|whole| crc32fast::hash(whole) != piece.sum) {
                return Err(damaged(phrase!("bytes {at} to {} are not what was written", piece.end())));
            }
            done = end;
        }
        Ok(())
    }
}

fn unordered() -> ParquetError {
    damaged("its pages do not follow each other")
}

/// Start and size of a column chunk's dictionary and pages, in order.
fn pieces_of(column: &ColumnChunkMetaData, pages: &[PageLocation]) -> impl Iterator<Item = (u64, u64)> {
    let (start, bytes) = column.byte_range();
    let first = pages.first().map_or(start + bytes, |page| page.offset.max(0) as u64);
    let dictionary = (first > start).then(|| (start, first - start));
    let pages = pages.iter().map(|page| (page.offset.max(0) as u64, page.compressed_page_size.max(0) as u64));
    dictionary.into_iter().chain(pages)
}

/// How many pages a column chunk has: its page index, in a tail that begins at `end`, begins with a list of them.
fn page_count(column: &ColumnChunkMetaData, tail: &[u8], end: u64) -> Option<usize> {
    let start = u64::try_from(column.offset_index_offset()?).ok()?.checked_sub(end)?;
    let mut index = Compact::new(tail.get(usize::try_from(start).ok()?..)?);
    // Its first field.
    if index.byte()? != 1 << 4 | LIST {
        return None;
    }
    usize::try_from(index.list()?.0).ok()
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
pub struct ChecksumsBuilder {
    sums: Vec<u8>,
    groups: usize,
}

impl ChecksumsBuilder {
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

    /// The checksums, as the tail begins with them.
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
