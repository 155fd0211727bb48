//! Column chunks of which only the wanted pages were fetched, decompressed with one context for all of them.
//!
//! Decoding is the parquet crate's. Only its decompression is stepped round: for every column it opens it makes a
//! compressor and a decompressor anew, which cost more than everything else in a look-up of a page a column.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use parquet::arrow::arrow_reader::{RowGroups, RowSelection};
use parquet::basic::Compression;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length, SerializedPageReader};
use zstd::bulk::Decompressor;
use zstd::zstd_safe::get_frame_content_size;

/// A page larger than this, decompressed, is not one of ours: the file is damaged.
const PAGE_BYTES_MAX: u64 = 1 << 30;

/// A decompressor for all pages of a statement's thread.
#[derive(Clone)]
pub struct Inflater(Arc<Mutex<Decompressor<'static>>>);

impl Inflater {
    /// Makes the one context.
    pub fn new() -> Result<Self> {
        Ok(Self(Arc::new(Mutex::new(Decompressor::new()?))))
    }

    /// The page's bytes after the first `plain`, decompressed. Refuses frames without a size, or with an absurd one.
    fn inflate(&self, page: &Bytes, plain: usize) -> Result<Bytes> {
        let damaged = |what: &str| ParquetError::General(format!("damaged page: {what}"));
        let (levels, frame) = page.split_at_checked(plain).ok_or_else(|| damaged("shorter than its levels"))?;
        if frame.is_empty() {
            return Ok(page.clone());
        }
        let bytes = get_frame_content_size(frame).ok().flatten().filter(|bytes| *bytes <= PAGE_BYTES_MAX);
        let bytes = bytes.ok_or_else(|| damaged("its compressed frame tells no likely size"))? as usize;
        let mut whole = Vec::with_capacity(plain + bytes);
        whole.extend_from_slice(levels);
        whole.resize(plain + bytes, 0);
        let mut context = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = context.decompress_to_buffer(frame, &mut whole[plain..])?;
        if written == bytes { Ok(Bytes::from(whole)) } else { Err(damaged("shorter than it says")) }
    }
}

/// Byte ranges of a file.
pub struct Fetched {
    file_bytes: u64,
    /// In ascending order, not overlapping.
    pieces: Vec<(u64, Bytes)>,
}

impl Fetched {
    /// What came back for these ranges, which are sorted.
    pub fn new(file_bytes: u64, ranges: &[Range<u64>], bytes: Vec<Bytes>) -> Self {
        Self { file_bytes, pieces: ranges.iter().map(|range| range.start).zip(bytes).collect() }
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

/// The byte ranges that hold these rows of some columns of a row group: pages, and dictionaries, which are needed whole.
pub fn ranges(metadata: &ParquetMetaData, group: usize, columns: &[usize], rows: &RowSelection) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    for &column in columns {
        let (start, bytes) = metadata.row_group(group).column(column).byte_range();
        let pages = metadata.offset_index().and_then(|index| index.get(group)?.get(column)).map(|index| index.page_locations());
        let Some((pages, first)) = pages.and_then(|pages| Some((pages, pages.first()?.offset.max(0) as u64))) else {
            ranges.push(start..start + bytes);
            continue;
        };
        if first > start {
            ranges.push(start..first);
        }
        ranges.extend(rows.scan_ranges(pages));
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

/// A row group of which some byte ranges were fetched.
pub struct FetchedGroup<'a> {
    /// The file's footer with its page index.
    pub metadata: &'a ParquetMetaData,
    /// Which row group.
    pub group: usize,
    /// What was fetched.
    pub fetched: Arc<Fetched>,
    /// What decompresses it.
    pub inflater: Inflater,
}

impl RowGroups for FetchedGroup<'_> {
    fn num_rows(&self) -> usize {
        self.metadata.row_group(self.group).num_rows().max(0) as usize
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let chunk = self.metadata.row_group(self.group).column(column);
        let index = self.metadata.offset_index().and_then(|index| index.get(self.group)?.get(column));
        let pages = index.map(|index| index.page_locations().clone());
        let reader =
            |chunk: &ColumnChunkMetaData| SerializedPageReader::new(self.fetched.clone(), chunk, self.num_rows(), pages.clone());
        let pages: Box<dyn PageReader> = if matches!(chunk.compression(), Compression::ZSTD(_)) {
            let as_stored = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
            Box::new(Inflating { stored: reader(&as_stored)?, inflater: self.inflater.clone() })
        } else {
            Box::new(reader(chunk)?)
        };
        Ok(Box::new(OneChunk(Some(pages))))
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

/// Pages read as they are stored, then decompressed.
struct Inflating {
    stored: SerializedPageReader<Fetched>,
    inflater: Inflater,
}

impl Inflating {
    fn inflated(&self, mut page: Page) -> Result<Page> {
        match &mut page {
            // Levels stand before the compressed part, which a page need not have.
            Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, is_compressed, .. } => {
                if *is_compressed {
                    *buf = self.inflater.inflate(buf, (*def_levels_byte_len + *rep_levels_byte_len) as usize)?;
                }
            }
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => *buf = self.inflater.inflate(buf, 0)?,
        }
        Ok(page)
    }
}

impl PageReader for Inflating {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.stored.get_next_page()?;
        page.map(|page| self.inflated(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.stored.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.stored.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.stored.at_record_boundary()
    }
}

impl Iterator for Inflating {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}
