//! A cache of footers, page indexes, dictionaries and rollups, within a budget of bytes.
//!
//! **Why.** A look-up reads a page of a few columns from each file; decoding the footer and the page index of all columns costs
//! more than reading the pages. A rollup ([`super::rollup`]) answers for a whole file.
//!
//! **Invariant**: an entry is never stale, because files never change and their names are never used again.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use datafusion::common::Result as DfResult;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{ParquetFileMetrics, ParquetFileReaderFactory};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::Result;
use parquet::file::metadata::ParquetMetaData;

use super::appendix::Place;
use super::checksums::{Checksums, Tail};
use super::reader::Reader;
use super::rollup::Rollup;
use crate::lake::file::pages::fetched::{Dictionaries, Dictionary};

/// Budget until an engine sets its own, in bytes.
const DEFAULT_BUDGET_BYTES: usize = 256 << 20;

/// Footers, dictionaries and rollups by file.
pub struct Footers {
    held: Mutex<Cache>,
}

struct Cache {
    budget_bytes: usize,
    bytes: usize,
    /// Counts look-ups: the entry with the least number was used longest ago.
    used: u64,
    by_file: HashMap<Key, Entry>,
}

/// A file, and what of it.
#[derive(Clone, Eq, Hash, PartialEq)]
struct Key(Path, EntryKind);

#[derive(Clone, Eq, Hash, PartialEq)]
enum EntryKind {
    Footer,
    /// The footer, with the page indexes of these columns only.
    FooterOf(Arc<str>),
    Rollup,
    Dictionaries,
}

#[derive(Clone)]
enum CachedValue {
    /// And what proves the pages.
    Footer(Arc<ParquetMetaData>, Option<Arc<Checksums>>),
    Rollup(Arc<Rollup>),
    Dictionaries(Arc<Dictionaries>),
}

impl CachedValue {
    fn memory_bytes(&self) -> usize {
        match self {
            Self::Footer(metadata, sums) => metadata.memory_size() + sums.as_ref().map_or(0, |sums| sums.memory_bytes()),
            Self::Rollup(rollup) => rollup.memory_bytes(),
            Self::Dictionaries(dictionaries) => dictionaries.memory_bytes(),
        }
    }
}

struct Entry {
    kept: CachedValue,
    bytes: usize,
    used: u64,
}

impl fmt::Debug for Footers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("footers")
    }
}

impl Default for Footers {
    fn default() -> Self {
        let held = Cache { budget_bytes: DEFAULT_BUDGET_BYTES, bytes: 0, used: 0, by_file: HashMap::new() };
        Self { held: Mutex::new(held) }
    }
}

impl Footers {
    /// Sets how much memory all of it may take.
    pub fn set_budget_bytes(&self, budget_bytes: usize) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).budget_bytes = budget_bytes;
    }

    /// The footer of a file, always with its page index: decoded once, it serves all later look-ups. From then on the reader
    /// checks the pages it reads.
    pub async fn load(&self, reader: &mut Reader) -> Result<Arc<ParquetMetaData>> {
        let key = Key(reader.path().clone(), EntryKind::Footer);
        if let Some(CachedValue::Footer(metadata, sums)) = self.get(&key) {
            reader.set_sums(sums);
            return Ok(metadata);
        }
        let metadata = reader.get_metadata(None).await?;
        self.put(key, CachedValue::Footer(metadata.clone(), reader.sums().cloned()));
        Ok(metadata)
    }

    /// The footer of a file as if it had only these columns (at least; names with commas between), with their page indexes. Columns
    /// are at other places than in the whole: ask for them by name.
    pub async fn load_some(&self, reader: &mut Reader, columns: &Arc<str>) -> Result<Arc<ParquetMetaData>> {
        let key = Key(reader.path().clone(), EntryKind::FooterOf(columns.clone()));
        let kept = self.get(&key).or_else(|| self.get(&Key(key.0.clone(), EntryKind::Footer)));
        if let Some(CachedValue::Footer(metadata, sums)) = kept {
            reader.set_sums(sums);
            return Ok(metadata);
        }
        let names: Vec<&str> = columns.split(',').collect();
        let Some(metadata) = reader.footer_of(&names).await? else { return self.load(reader).await };
        let metadata = Arc::new(metadata);
        self.put(key, CachedValue::Footer(metadata.clone(), reader.sums().cloned()));
        Ok(metadata)
    }

    /// The rollup at a position of a file.
    pub async fn rollup(&self, reader: &Reader, place: &Place) -> Result<Arc<Rollup>> {
        let key = Key(reader.path().clone(), EntryKind::Rollup);
        if let Some(CachedValue::Rollup(rollup)) = self.get(&key) {
            return Ok(rollup);
        }
        let rollup = Arc::new(reader.appendix(place, |bytes| Rollup::decode(bytes, place)).await?);
        self.put(key, CachedValue::Rollup(rollup.clone()));
        Ok(rollup)
    }

    /// The dictionaries of a file that are known.
    pub fn dictionaries(&self, file: &Path) -> Arc<Dictionaries> {
        match self.get(&Key(file.clone(), EntryKind::Dictionaries)) {
            Some(CachedValue::Dictionaries(known)) => known,
            _ => Arc::default(),
        }
    }

    /// Keeps the dictionaries of a file: those that were known, and those learned since.
    pub fn learn(&self, file: &Path, known: &Dictionaries, learned: Vec<(u64, Arc<Dictionary>)>) {
        if !learned.is_empty() {
            let all = Arc::new(known.and(learned));
            self.put(Key(file.clone(), EntryKind::Dictionaries), CachedValue::Dictionaries(all));
        }
    }

    fn get(&self, key: &Key) -> Option<CachedValue> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.used += 1;
        let used = held.used;
        let entry = held.by_file.get_mut(key)?;
        entry.used = used;
        Some(entry.kept.clone())
    }

    fn put(&self, key: Key, kept: CachedValue) {
        let bytes = kept.memory_bytes();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.used += 1;
        let entry = Entry { kept, bytes, used: held.used };
        held.bytes += bytes;
        if let Some(before) = held.by_file.insert(key, entry) {
            held.bytes -= before.bytes;
        }
        while held.bytes > held.budget_bytes {
            let oldest = held.by_file.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
            let Some(gone) = oldest.and_then(|key| held.by_file.remove(&key)) else { return };
            held.bytes -= gone.bytes;
        }
    }
}

/// Makes readers that look for footers here first.
#[derive(Debug)]
pub struct Readers {
    /// The whole store.
    pub store: Arc<dyn ObjectStore>,
    /// Where footers are kept.
    pub footers: Arc<Footers>,
}

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        _footer_bytes: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> DfResult<Box<dyn AsyncFileReader + Send>> {
        let tail = file.extension::<Tail>().cloned();
        let path = file.object_meta.location;
        Ok(Box::new(CachingReader {
            metrics: ParquetFileMetrics::new(partition, path.as_ref(), metrics),
            reader: Reader::new(self.store.clone(), path, file.object_meta.size, tail),
            footers: self.footers.clone(),
        }))
    }
}

/// A reader that remembers footers, and counts the bytes it reads for EXPLAIN ANALYZE.
struct CachingReader {
    metrics: ParquetFileMetrics,
    reader: Reader,
    footers: Arc<Footers>,
}

impl AsyncFileReader for CachingReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        self.metrics.bytes_scanned.add((range.end - range.start) as usize);
        self.reader.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        self.metrics.bytes_scanned.add(ranges.iter().map(|range| (range.end - range.start) as usize).sum());
        self.reader.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(&'a mut self, _options: Option<&'a ArrowReaderOptions>) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move { self.footers.load(&mut self.reader).await }.boxed()
    }
}
