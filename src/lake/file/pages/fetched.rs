//! Column chunks of which only the wanted pages were fetched, in the form that the parquet crate's readers take.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::BoundaryOrder;
use parquet::column::page::{PageIterator, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::{ChunkReader, Length, SerializedPageReader};
use parquet::file::statistics::Statistics;

/// A column's dictionary, decompressed.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Dictionary {
    values: Bytes,
    /// Where each text stands, where values are texts. They stand one after the other, each behind its length: without this a
    /// look-up would walk over all of them to find one.
    texts: Vec<Range<u32>>,
}

impl Dictionary {
    /// With these values; texts are found as long as they are what they should be.
    pub fn new(values: Bytes, is_text: bool) -> Self {
        let (mut texts, mut at) = (Vec::new(), 0usize);
        while let Some(length) = values.get(at..).filter(|_| is_text).and_then(<[u8]>::first_chunk) {
            let start = at + length.len();
            let end = start.saturating_add(u32::from_le_bytes(*length) as usize);
            match (u32::try_from(start), u32::try_from(end)) {
                (Ok(start), Ok(after)) if end <= values.len() => texts.push(start..after),
                _ => break,
            }
            at = end;
        }
        Self { values, texts }
    }

    /// All values, as the file encodes them.
    pub fn values(&self) -> &[u8] {
        &self.values
    }

    /// A text by its number.
    pub fn text(&self, number: usize) -> Option<&[u8]> {
        let place = self.texts.get(number)?;
        self.values.get(place.start as usize..place.end as usize)
    }

    /// The bytes of memory it takes.
    fn memory_bytes(&self) -> usize {
        self.values.len() + self.texts.capacity() * size_of::<Range<u32>>() + size_of::<Self>()
    }
}

/// Dictionaries of a file, by the byte at which they begin in it. Those of names, subjects and senders are small, the same for every
/// look-up, and half of the pieces that one reads.
#[derive(Clone, Debug, Default)]
pub struct Dictionaries(BTreeMap<u64, Arc<Dictionary>>);

impl Dictionaries {
    /// The one that begins at this byte, if it is known.
    pub fn get(&self, start: u64) -> Option<&Arc<Dictionary>> {
        self.0.get(&start)
    }

    /// These and others.
    pub fn and(&self, others: impl IntoIterator<Item = (u64, Arc<Dictionary>)>) -> Self {
        Self(self.0.clone().into_iter().chain(others).collect())
    }

    /// The bytes of memory they take.
    pub fn memory_bytes(&self) -> usize {
        self.0.values().map(|dictionary| dictionary.memory_bytes() + size_of::<(u64, Arc<Dictionary>)>()).sum()
    }
}

/// Byte ranges of a file.
pub struct Fetched {
    file_bytes: u64,
    /// In ascending order, not overlapping.
    pieces: Vec<(u64, Bytes)>,
    /// Dictionaries that were not fetched, because they are known.
    dictionaries: Arc<Dictionaries>,
}

impl Fetched {
    /// What came back for these ranges, which are sorted.
    pub fn new(file_bytes: u64, ranges: &[Range<u64>], bytes: Vec<Bytes>) -> Self {
        let pieces = ranges.iter().map(|range| range.start).zip(bytes).collect();
        Self { file_bytes, pieces, dictionaries: Arc::default() }
    }

    /// The same, with dictionaries that are known.
    pub fn with(mut self, dictionaries: Arc<Dictionaries>) -> Self {
        self.dictionaries = dictionaries;
        self
    }

    /// The dictionary that begins at this byte, where it is known.
    pub fn dictionary(&self, start: u64) -> Option<&Arc<Dictionary>> {
        self.dictionaries.get(start)
    }

    fn rest(&self, start: u64) -> Result<Bytes> {
        let after = self.pieces.partition_point(|(first, _)| *first <= start);
        let piece = after.checked_sub(1).and_then(|at| self.pieces.get(at));
        piece
            .filter(|(first, bytes)| start - first < bytes.len() as u64)
            .map(|(first, bytes)| bytes.slice((start - first) as usize..))
            .ok_or_else(|| ParquetError::General(format!("byte {start} was not fetched")))
    }
}

impl Length for Fetched {
    fn len(&self) -> u64 {
        self.file_bytes
    }
}

impl ChunkReader for Fetched {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(self.rest(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let rest = self.rest(start)?;
        if rest.len() < length {
            return Err(ParquetError::EOF(format!("{length} bytes from {start} were not fetched")));
        }
        Ok(rest.slice(..length))
    }
}

/// The byte ranges that hold these rows of some columns of a row group: pages, and dictionaries, which are needed whole, but for
/// those that are known.
pub fn ranges(
    metadata: &ParquetMetaData,
    group: usize,
    columns: &[usize],
    rows: &[Range<usize>],
    known: &Dictionaries,
) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    // Pages of a file of this engine begin with the same rows in all columns: where they were in the one before, they are mostly.
    let mut near = vec![(0, 0); rows.len()];
    for &column in columns {
        let (start, bytes) = metadata.row_group(group).column(column).byte_range();
        let pages = metadata.offset_index().and_then(|index| index.get(group)?.get(column)).map(|index| index.page_locations());
        let Some((pages, first)) = pages.and_then(|pages| Some((pages, pages.first()?.offset.max(0) as u64))) else {
            ranges.push(start..start + bytes);
            continue;
        };
        if first > start && known.get(start).is_none() {
            ranges.push(start..first);
        }
        for (run, near) in rows.iter().zip(&mut near).filter(|(run, _)| !run.is_empty()) {
            *near = (page_of(pages, run.start, near.0), page_of(pages, run.end - 1, near.1));
            let place = |page: &PageLocation| (page.offset.max(0) as u64, page.compressed_page_size.max(0) as u64);
            let wanted = pages.get(near.0..=near.1).unwrap_or_default();
            ranges.extend(wanted.iter().map(place).map(|(start, bytes)| start..start + bytes));
        }
    }
    ranges.sort_unstable_by_key(|range| range.start);
    // Neighbours are one piece, as they are one request.
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// The page in which a row stands; it is `near`, if it may be.
fn page_of(pages: &[PageLocation], row: usize, near: usize) -> usize {
    let first = |page: &PageLocation| page.first_row_index.max(0) as usize;
    let is_near =
        pages.get(near).is_some_and(|page| first(page) <= row) && pages.get(near + 1).is_none_or(|next| row < first(next));
    if is_near { near } else { pages.partition_point(|page| first(page) <= row).saturating_sub(1) }
}

/// Whether none, some or all of some values are null.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Nulls {
    /// Every one.
    All,
    /// Not one.
    None,
    /// Some, or it is not known.
    Some,
}

/// How many values of a column are null in the pages of these rows of row groups, as far as the footer and the page index tell.
pub fn nulls(metadata: &ParquetMetaData, column: usize, rows: &[(usize, Vec<Range<usize>>)]) -> Nulls {
    let mut all = rows.iter().map(|(group, rows)| nulls_of(metadata, *group, column, rows));
    let first = all.next().unwrap_or(Nulls::Some);
    if all.all(|next| next == first) { first } else { Nulls::Some }
}

fn nulls_of(metadata: &ParquetMetaData, group: usize, column: usize, rows: &[Range<usize>]) -> Nulls {
    let chunk = metadata.row_group(group).column(column);
    let in_chunk = chunk.statistics().and_then(Statistics::null_count_opt).map(|nulls| (nulls, chunk.num_values()));
    let of = |counts: Option<(u64, i64)>| match counts {
        Some((0, _)) => Nulls::None,
        Some((nulls, values)) if i64::try_from(nulls) == Ok(values) => Nulls::All,
        _ => Nulls::Some,
    };
    match of(in_chunk) {
        Nulls::Some => of(nulls_in_pages(metadata, group, column, rows)),
        known => known,
    }
}

/// Nulls and values in the pages of these rows.
fn nulls_in_pages(metadata: &ParquetMetaData, group: usize, column: usize, rows: &[Range<usize>]) -> Option<(u64, i64)> {
    let nulls = metadata.column_index()?.get(group)?.get(column)?.null_counts()?;
    let pages = metadata.offset_index()?.get(group)?.get(column)?.page_locations();
    let first_row = |page: usize| pages.get(page).map_or(metadata.row_group(group).num_rows(), |page| page.first_row_index);
    let mut all = (0, 0);
    for run in rows.iter().filter(|run| !run.is_empty()) {
        let first = page_of(pages, run.start, 0);
        for page in first..=page_of(pages, run.end - 1, first) {
            all.0 += u64::try_from(*nulls.get(page)?).ok()?;
            all.1 += first_row(page + 1) - first_row(page);
        }
    }
    Some(all)
}

/// Rows (places in the row group) of the pages of a text column that may hold one of these values (ascending); all where nothing
/// is known of pages.
pub fn that_may_hold<T: AsRef<str>>(metadata: &ParquetMetaData, group: usize, column: usize, sorted: &[T]) -> Vec<Range<usize>> {
    let total = metadata.row_group(group).num_rows().max(0) as usize;
    let index = metadata.column_index().and_then(|index| index.get(group)?.get(column));
    let pages = metadata.offset_index().and_then(|index| index.get(group)?.get(column));
    let (Some(index @ ColumnIndexMetaData::BYTE_ARRAY(values)), Some(pages)) = (index, pages) else {
        return std::iter::once(0..total).collect();
    };
    let pages = pages.page_locations();
    let first_row = |page: usize| pages.get(page).map_or(total, |at| at.first_row_index.max(0) as usize);
    let may_hold = |page: &usize| match (values.min_value(*page), values.max_value(*page)) {
        (Some(least), Some(greatest)) => {
            let first = sorted.partition_point(|value| value.as_ref().as_bytes() < least);
            sorted.get(first).is_some_and(|value| value.as_ref().as_bytes() <= greatest)
        }
        // A page without bounds holds nulls only.
        _ => false,
    };
    // Where pages are in order and all have bounds, as those of people in files of this engine, no value is before the first page
    // that ends with it or later, nor behind the last that begins with it or earlier.
    let count = pages.len();
    let in_order =
        index.get_boundary_order() == Some(BoundaryOrder::ASCENDING) && !(0..count).any(|page| values.is_null_page(page));
    let (Some(least), Some(greatest), true) = (sorted.first(), sorted.last(), in_order) else {
        return (0..count).filter(may_hold).map(|page| first_row(page)..first_row(page + 1)).collect();
    };
    let ends_before = |page| values.max_value(page).is_some_and(|max| max < least.as_ref().as_bytes());
    let begins_behind = |page: &usize| values.min_value(*page).is_some_and(|min| min > greatest.as_ref().as_bytes());
    let between = (first_that(0..count, |page| !ends_before(page))..count).take_while(|page| !begins_behind(page));
    between.filter(may_hold).map(|page| first_row(page)..first_row(page + 1)).collect()
}

/// The first number for which something is true that is also true of all behind it; the end where it is true of none.
fn first_that(numbers: Range<usize>, is_true: impl Fn(usize) -> bool) -> usize {
    let (mut start, mut end) = (numbers.start, numbers.end);
    while start < end {
        let middle = start + (end - start) / 2;
        match is_true(middle) {
            true => end = middle,
            false => start = middle + 1,
        }
    }
    start
}

/// A row group of which some byte ranges were fetched.
pub struct FetchedGroup<'a> {
    /// The file's footer with its page index.
    pub metadata: &'a ParquetMetaData,
    /// Which row group.
    pub group: usize,
    /// What was fetched.
    pub fetched: Arc<Fetched>,
}

impl RowGroups for FetchedGroup<'_> {
    fn num_rows(&self) -> usize {
        self.metadata.row_group(self.group).num_rows().max(0) as usize
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let chunk = self.metadata.row_group(self.group).column(column);
        let index = self.metadata.offset_index().and_then(|index| index.get(self.group)?.get(column));
        let pages = index.map(|index| index.page_locations().clone());
        let pages = SerializedPageReader::new(self.fetched.clone(), chunk, self.num_rows(), pages)?;
        Ok(Box::new(OneChunk(Some(Box::new(pages)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.metadata.row_group(self.group)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}

impl fmt::Debug for FetchedGroup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row group {}", self.group)
    }
}

struct OneChunk(Option<Box<dyn PageReader>>);

impl Iterator for OneChunk {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for OneChunk {}
