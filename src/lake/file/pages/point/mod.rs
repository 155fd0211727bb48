//! Reads chosen rows of a column from the bytes of their pages.
//!
//! **Why.** The parquet crate's readers are made for many rows: for each column they set up a chain of readers, levels and
//! buffers, and decode the page from its beginning. A look-up wants two or three rows of each of some six hundred pages, and the
//! setup cost more than all else.
//!
//! Files that this engine wrote have a known layout ([`crate::lake::file::layout`]) and are read here, with one decompressor and
//! one set of buffers; of each page only the wanted rows are decoded. The crate reads files of other engines.

use std::cell::Cell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Date32Array, Int32Array, Int64Array, StringViewBuilder, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::ChunkReader;
use zstd::bulk::Decompressor;

use super::encodings::{Hybrid, Shared, deltas};
use super::fetched::{Dictionary, Fetched};
use super::thrift::{Compact, FALSE, I32, STRUCT, TRUE};
use crate::lake::file::checksums::damaged;
use crate::lake::file::layout::CREATED_BY;

#[cfg(test)]
mod tests;

/// A page larger than this, decompressed, is not one of ours: the file is damaged.
const PAGE_BYTES_MAX: usize = 1 << 30;

/// A dictionary larger than this, decompressed, is not worth the memory: it is read again when it is needed again.
const LEARNED_BYTES_MAX: usize = 64 << 10;

/// Buffers larger than this are given back when the work is done.
const LENT_BYTES_MAX: usize = 1 << 20;

/// Numbers of Parquet's encodings and page types.
const RLE: i64 = 3;
const DELTA_BINARY_PACKED: i64 = 5;
const DELTA_BYTE_ARRAY: i64 = 7;
const RLE_DICTIONARY: i64 = 8;
const DICTIONARY_PAGE: i64 = 2;
const DATA_PAGE_V2: i64 = 3;

/// Is a file laid out as this engine lays files out, so that these columns can be read here?
pub fn is_ours(metadata: &ParquetMetaData, columns: &[usize]) -> bool {
    let known = |column: &usize| {
        metadata.row_groups().iter().all(|group| {
            let column = group.column(*column);
            let encodings = [
                Encoding::PLAIN,
                Encoding::RLE,
                Encoding::RLE_DICTIONARY,
                Encoding::DELTA_BINARY_PACKED,
                Encoding::DELTA_BYTE_ARRAY,
            ];
            column.encodings().all(|encoding| encodings.contains(&encoding))
                && matches!(column.compression(), Compression::ZSTD(_))
                && column.column_descr().max_rep_level() == 0
                && column.column_descr().max_def_level() <= 1
        })
    };
    metadata.file_metadata().created_by().is_some_and(|by| by.starts_with(CREATED_BY))
        && metadata.offset_index().is_some()
        && columns.iter().all(known)
}

/// A column of a row group of which the wanted pages were fetched.
pub struct Chunk<'a> {
    chunk: &'a ColumnChunkMetaData,
    pages: &'a [PageLocation],
    /// Rows in the row group.
    rows: usize,
    fetched: &'a Fetched,
}

impl<'a> Chunk<'a> {
    /// The column of a file for which [`is_ours`] holds.
    pub fn new(metadata: &'a ParquetMetaData, group: usize, column: usize, fetched: &'a Fetched) -> Result<Self> {
        let pages = metadata.offset_index().and_then(|index| index.get(group)?.get(column));
        let pages = pages.ok_or_else(|| damaged("it has no page index"))?.page_locations();
        let row_group = metadata.row_group(group);
        Ok(Self { chunk: row_group.column(column), pages, rows: row_group.num_rows().max(0) as usize, fetched })
    }

    /// The rows of a page, as places in the row group.
    fn rows_of(&self, page: usize) -> Range<usize> {
        let first = |page: usize| self.pages.get(page).map_or(self.rows, |page| page.first_row_index.max(0) as usize);
        first(page)..first(page + 1)
    }

    /// The page in which a row stands.
    fn page_of(&self, row: usize) -> Option<usize> {
        self.pages.partition_point(|page| page.first_row_index.max(0) as usize <= row).checked_sub(1)
    }

    fn is_optional(&self) -> bool {
        self.chunk.column_descr().max_def_level() > 0
    }
}

/// Values of a column as they are found.
pub enum Values {
    /// Text.
    Text(StringViewBuilder),
    /// Yes or no.
    Bool(BooleanBuilder),
    /// Numbers, days and moments.
    Whole(Vec<Option<i64>>, DataType),
}

impl Values {
    /// None yet, of a type SQL shows.
    pub fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Utf8View => Self::Text(StringViewBuilder::new()),
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            other => Self::Whole(Vec::new(), other.clone()),
        }
    }

    fn push_null(&mut self) {
        match self {
            Self::Text(out) => out.append_null(),
            Self::Bool(out) => out.append_null(),
            Self::Whole(out, _) => out.push(None),
        }
    }

    /// Puts down that many nulls.
    pub fn push_nulls(&mut self, count: usize) {
        (0..count).for_each(|_| self.push_null());
    }

    /// Puts down a text that many times, where values are texts.
    pub fn push_texts(&mut self, text: &str, count: usize) {
        if let Self::Text(out) = self {
            (0..count).for_each(|_| out.append_value(text));
        }
    }

    fn push_text(&mut self, text: &[u8]) -> Option<()> {
        let Self::Text(out) = self else { return None };
        out.append_value(str::from_utf8(text).ok()?);
        Some(())
    }

    /// The column.
    pub fn finish(self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Text(mut out) => Arc::new(out.finish()),
            Self::Bool(mut out) => Arc::new(out.finish()),
            Self::Whole(out, DataType::Int64) => Arc::new(Int64Array::from(out)),
            // Numbers of 32 bits, and the differences between them, may wrap: only these bits count.
            Self::Whole(out, DataType::Int32) => Arc::new(out.iter().map(|value| Some((*value)? as i32)).collect::<Int32Array>()),
            Self::Whole(out, DataType::Date32) => {
                Arc::new(out.iter().map(|value| Some((*value)? as i32)).collect::<Date32Array>())
            }
            Self::Whole(out, DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
                Arc::new(TimestampMicrosecondArray::from(out).with_timezone_opt(zone))
            }
            Self::Whole(_, other) => return Err(damaged(phrase!("it has no columns of type {other}"))),
        })
    }
}

/// Values put between the nulls of their rows.
struct Filler<'a> {
    present: std::slice::Iter<'a, bool>,
    out: &'a mut Values,
}

impl Filler<'_> {
    /// Appends the nulls that precede the next value.
    fn next(&mut self) -> &mut Values {
        while self.present.next() == Some(&false) {
            self.out.push_null();
        }
        self.out
    }
}

/// Reads single values from pages, with one decompressor and buffers that are reused.
pub struct PointReader {
    inflater: Decompressor<'static>,
    page: Vec<u8>,
    /// The dictionary of the column that was read last.
    dictionary: Arc<Dictionary>,
    /// Those that were not known, with the byte at which they begin, until they are taken.
    learned: Vec<(u64, Arc<Dictionary>)>,
    prefixes: Vec<i64>,
    suffixes: Vec<i64>,
}

impl fmt::Debug for PointReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("points")
    }
}

thread_local! {
    /// A decompressor takes longer to set up than some pages to read.
    static OWN: Cell<Option<PointReader>> = const { Cell::new(None) };
}

impl PointReader {
    /// Lends the thread's own for some work.
    pub fn lent<T, E: From<ParquetError>>(
        work: impl FnOnce(&mut Self) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let mut own = match OWN.take() {
            Some(own) => own,
            None => Self::new()?,
        };
        let done = work(&mut own);
        own.learned.clear();
        if own.page.capacity() <= LENT_BYTES_MAX {
            OWN.set(Some(own));
        }
        done
    }

    /// For one thread.
    pub fn new() -> Result<Self> {
        let (page, dictionary, learned, prefixes, suffixes) = Default::default();
        Ok(Self { inflater: Decompressor::new()?, page, dictionary, learned, prefixes, suffixes })
    }

    /// The dictionaries read since this was last asked that were not known, with the byte at which each begins in its file.
    pub fn learned(&mut self) -> Vec<(u64, Arc<Dictionary>)> {
        std::mem::take(&mut self.learned)
    }

    /// Of some rows, those in which a text column holds one of these texts, and which it is; neighbours with the same are one run.
    pub fn find(&mut self, column: &Chunk<'_>, rows: &[Range<usize>], wanted: &[String]) -> Result<Vec<(Range<usize>, usize)>> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        self.pages(column, rows, |page, buffers, runs| {
            let texts = match page.encoding {
                DELTA_BYTE_ARRAY => Shared::read(page.values, page.count, buffers.prefixes, buffers.suffixes)?,
                _ => return None,
            };
            // The places of rows that have a value; all of them where nothing is null.
            let places: Option<Vec<usize>> = match page.levels {
                None => None,
                Some(_) => {
                    let present = page.present(&(0..page.rows.len()))?.1;
                    Some(present.iter().enumerate().filter_map(|(row, present)| present.then_some(row)).collect())
                }
            };
            let first = found.len();
            for (which, text) in wanted.iter().enumerate() {
                texts.find(text.as_bytes(), |value| {
                    let row = places.as_ref().map_or(Some(value), |places| places.get(value).copied());
                    let row = row.map(|row| page.rows.start + row).filter(|row| runs.iter().any(|run| run.contains(row)));
                    found.extend(row.map(|row| (row, which)));
                })?;
            }
            found[first..].sort_unstable();
            Some(())
        })?;
        let mut joined: Vec<(Range<usize>, usize)> = Vec::new();
        for (row, which) in found {
            match joined.last_mut() {
                Some((run, same)) if run.end == row && *same == which => run.end += 1,
                _ => joined.push((row..row + 1, which)),
            }
        }
        Ok(joined)
    }

    /// Appends the values of some rows.
    pub fn take(&mut self, column: &Chunk<'_>, rows: &[Range<usize>], out: &mut Values) -> Result<()> {
        self.pages(column, rows, |page, buffers, runs| {
            for run in runs {
                let (before, present) = page.present(&(run.start - page.rows.start..run.end - page.rows.start))?;
                let count = present.iter().filter(|present| **present).count();
                let mut filler = Filler { present: present.iter(), out: &mut *out };
                page.take(&(before..before + count), buffers, &mut filler)?;
                filler.next();
            }
            Some(())
        })
    }

    /// Shows `each` every page that some rows lie in, and these rows.
    fn pages(
        &mut self,
        column: &Chunk<'_>,
        rows: &[Range<usize>],
        mut each: impl FnMut(&Page<'_>, &mut Buffers<'_>, &[Range<usize>]) -> Option<()>,
    ) -> Result<()> {
        let wrong = |what: &str| damaged(phrase!("a page of {} {what}", column.chunk.column_path()));
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut rest = rows.iter().filter(|run| !run.is_empty()).cloned().peekable();
        let mut has_dictionary = false;
        while let Some(page) = rest.peek().and_then(|run| column.page_of(run.start)) {
            let own = column.rows_of(page);
            runs.clear();
            while let Some(run) = rest.peek_mut().filter(|run| run.start < own.end) {
                runs.push(run.start..run.end.min(own.end));
                run.start = run.end.min(own.end);
                if run.start == run.end {
                    rest.next();
                }
            }
            let (Some(at), false) = (column.pages.get(page), runs.is_empty()) else { return Err(wrong("has no place")) };
            let bytes = column.fetched.get_bytes(at.offset.max(0) as u64, at.compressed_page_size.max(0) as usize)?;
            let header = Header::read(&bytes).ok_or_else(|| wrong("has no header"))?;
            if header.encoding == RLE_DICTIONARY && !has_dictionary {
                self.read_dictionary(column)?;
                has_dictionary = true;
            }
            let levels = header.levels(&bytes).filter(|_| header.kind == DATA_PAGE_V2);
            let (levels, body) = levels.ok_or_else(|| wrong("is not of the kind this engine writes"))?;
            let values = match header.is_compressed {
                true => {
                    let plain = header.plain.checked_sub(levels.len()).ok_or_else(|| wrong("is shorter than its levels"))?;
                    inflate(&mut self.inflater, body, plain, &mut self.page)?
                }
                false => body,
            };
            let count = header.count.checked_sub(header.nulls).filter(|_| header.count == own.len());
            let count = count.ok_or_else(|| wrong("has another number of rows than its index says"))?;
            let levels = (column.is_optional() && header.nulls > 0).then_some(levels);
            let page = Page { rows: own, count, encoding: header.encoding, levels, values };
            let mut buffers =
                Buffers { dictionary: &self.dictionary, prefixes: &mut self.prefixes, suffixes: &mut self.suffixes };
            each(&page, &mut buffers, &runs).ok_or_else(|| wrong("does not hold the values it should"))?;
        }
        match rest.next() {
            None => Ok(()),
            Some(_) => Err(wrong("is missing in its index")),
        }
    }

    fn read_dictionary(&mut self, column: &Chunk<'_>) -> Result<()> {
        let wrong = || damaged(phrase!("the dictionary of {} is not what it should be", column.chunk.column_path()));
        let (start, _) = column.chunk.byte_range();
        if let Some(known) = column.fetched.dictionary(start) {
            self.dictionary = known.clone();
            return Ok(());
        }
        let first = column.pages.first().map_or(start, |page| page.offset.max(0) as u64);
        let bytes = column.fetched.get_bytes(start, first.saturating_sub(start) as usize)?;
        let header = Header::read(&bytes).filter(|header| header.kind == DICTIONARY_PAGE).ok_or_else(wrong)?;
        let (_, body) = header.levels(&bytes).ok_or_else(wrong)?;
        let values = inflate(&mut self.inflater, body, header.plain, &mut self.page)?;
        let is_text = column.chunk.column_type() == Type::BYTE_ARRAY;
        self.dictionary = Arc::new(Dictionary::new(Bytes::copy_from_slice(values), is_text));
        if values.len() <= LEARNED_BYTES_MAX {
            self.learned.push((start, self.dictionary.clone()));
        }
        Ok(())
    }
}

/// The frame's bytes, decompressed into a buffer that is kept.
fn inflate<'a>(inflater: &mut Decompressor<'_>, frame: &[u8], bytes: usize, into: &'a mut Vec<u8>) -> Result<&'a [u8]> {
    if bytes > PAGE_BYTES_MAX {
        return Err(damaged(phrase!("a page of {bytes} bytes is none that was written")));
    }
    if frame.is_empty() && bytes == 0 {
        return Ok(&[]);
    }
    if into.len() < bytes {
        into.resize(bytes, 0);
    }
    match inflater.decompress_to_buffer(frame, &mut into[..bytes])? {
        written if written == bytes => Ok(&into[..bytes]),
        written => Err(damaged(phrase!("a page has {written} bytes, and its header says {bytes}"))),
    }
}

/// The buffers of a [`PointReader`], lent to the reader of one page.
struct Buffers<'a> {
    dictionary: &'a Dictionary,
    prefixes: &'a mut Vec<i64>,
    suffixes: &'a mut Vec<i64>,
}

/// The header of a page.
#[derive(Debug, Default)]
struct Header {
    /// Bytes of the header itself.
    bytes: usize,
    kind: i64,
    /// Bytes of the page, decompressed and as stored.
    plain: usize,
    stored: usize,
    /// Rows, of which so many are null.
    count: usize,
    nulls: usize,
    encoding: i64,
    level_bytes: usize,
    is_compressed: bool,
}

impl Header {
    fn read(page: &[u8]) -> Option<Self> {
        let mut header = Self { is_compressed: true, ..Self::default() };
        let mut rest = Compact::new(page);
        let size = |value: i64| usize::try_from(value).ok();
        rest.structure(&mut |rest, field, kind| {
            match (field, kind) {
                (1, I32) => header.kind = rest.zigzag()?,
                (2, I32) => header.plain = size(rest.zigzag()?)?,
                (3, I32) => header.stored = size(rest.zigzag()?)?,
                // A dictionary's values, and those of a data page.
                (7, STRUCT) => rest.structure(&mut |rest, field, kind| match (field, kind) {
                    (2, I32) => {
                        header.encoding = rest.zigzag()?;
                        Some(())
                    }
                    _ => rest.skip(kind),
                })?,
                (8, STRUCT) => rest.structure(&mut |rest, field, kind| {
                    match (field, kind) {
                        (1, I32) => header.count = size(rest.zigzag()?)?,
                        (2, I32) => header.nulls = size(rest.zigzag()?)?,
                        (4, I32) => header.encoding = rest.zigzag()?,
                        (5 | 6, I32) => header.level_bytes = header.level_bytes.checked_add(size(rest.zigzag()?)?)?,
                        (7, TRUE | FALSE) => header.is_compressed = kind == TRUE,
                        _ => rest.skip(kind)?,
                    }
                    Some(())
                })?,
                _ => rest.skip(kind)?,
            }
            Some(())
        })?;
        header.bytes = rest.at();
        Some(header)
    }

    /// The page's levels, which are never compressed, and the rest of it.
    fn levels<'a>(&self, page: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        page.get(self.bytes..self.bytes.checked_add(self.stored)?)?.split_at_checked(self.level_bytes)
    }
}

/// A page.
struct Page<'a> {
    /// Its rows, as places in the row group.
    rows: Range<usize>,
    /// Rows that have a value.
    count: usize,
    encoding: i64,
    /// Which rows have a value, where some have none.
    levels: Option<&'a [u8]>,
    values: &'a [u8],
}

impl Page<'_> {
    /// How many rows before these have a value, and which of these have.
    fn present(&self, rows: &Range<usize>) -> Option<(usize, Vec<bool>)> {
        let Some(levels) = self.levels else { return Some((rows.start, vec![true; rows.len()])) };
        let mut present = Vec::with_capacity(rows.len());
        Hybrid::new(levels, 1)?.pick(rows, |level| present.push(level == 1))?;
        Some((Hybrid::new(levels, 1)?.ones(rows.start)?, present))
    }

    /// Puts down the values at these places among those that are not null.
    fn take(&self, places: &Range<usize>, buffers: &mut Buffers<'_>, out: &mut Filler<'_>) -> Option<()> {
        if places.is_empty() {
            return Some(());
        }
        match (self.encoding, &mut *out.out) {
            (RLE_DICTIONARY, _) => {
                let (width, packed) = self.values.split_first()?;
                let mut indices = Vec::with_capacity(places.len());
                Hybrid::new(packed, u32::from(*width))?.pick(places, |index| indices.push(index as usize))?;
                from_dictionary(buffers.dictionary, &indices, out)
            }
            (DELTA_BYTE_ARRAY, Values::Text(_)) => {
                let texts = Shared::read(self.values, places.end, buffers.prefixes, buffers.suffixes)?;
                texts.pick(places, |text| out.next().push_text(text))
            }
            (DELTA_BINARY_PACKED, Values::Whole(..)) => {
                buffers.prefixes.clear();
                deltas(self.values, places.end, buffers.prefixes)?;
                for value in buffers.prefixes.get(places.clone())? {
                    let Values::Whole(out, _) = out.next() else { return None };
                    out.push(Some(*value));
                }
                Some(())
            }
            (RLE, Values::Bool(_)) => {
                // Its length stands before it.
                Hybrid::new(self.values.get(4..)?, 1)?.pick(places, |value| {
                    if let Values::Bool(out) = out.next() {
                        out.append_value(value == 1);
                    }
                })
            }
            _ => None,
        }
    }
}

/// Puts down the values with these numbers in a dictionary.
fn from_dictionary(dictionary: &Dictionary, indices: &[usize], out: &mut Filler<'_>) -> Option<()> {
    let width = match &*out.out {
        Values::Text(_) => return indices.iter().try_for_each(|index| out.next().push_text(dictionary.text(*index)?)),
        Values::Whole(_, DataType::Int32 | DataType::Date32) => 4,
        Values::Whole(..) => 8,
        Values::Bool(_) => return None,
    };
    for index in indices {
        let start = index.checked_mul(width)?;
        let bytes = dictionary.values().get(start..start.checked_add(width)?)?;
        let value = match width {
            4 => i64::from(i32::from_le_bytes(bytes.try_into().ok()?)),
            _ => i64::from_le_bytes(bytes.try_into().ok()?),
        };
        let Values::Whole(out, _) = out.next() else { return None };
        out.push(Some(value));
    }
    Some(())
}
