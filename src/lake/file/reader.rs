//! Reads the bytes of data files: in as few requests as the layout allows, and with every byte verified.
//!
//! A request to a store costs tens of milliseconds, the bytes between two columns next to nothing. So footer and page index are
//! fetched in one request, and the columns of a row group are asked for together, so that the store can join neighbouring ranges.
//!
//! **Invariant**: all reads of a table's files go through here; see [`super::checksums`] for how bytes are checked.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use super::appendix::Place;
use super::checksums::{Checksums, Tail, damaged};
use crate::error::Error;

/// Bytes at the end of a file whose tail the log does not know that are fetched at once: footer and page index of most files.
const FOOTER_BYTES: usize = 64 << 10;

/// A file in the store.
#[derive(Clone)]
pub struct Reader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
    /// What proves the footer; none for files written before there were checksums.
    tail: Option<Tail>,
    /// What proves the pages, once the footer was read.
    sums: Option<Arc<Checksums>>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reader of {}", self.path)
    }
}

impl Reader {
    /// A reader of the file at `path`, which is `bytes` long and ends in `tail`. Nothing is read yet.
    pub fn new(store: Arc<dyn ObjectStore>, path: Path, bytes: u64, tail: Option<Tail>) -> Self {
        Self { store, path, bytes, tail, sums: None }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What proves the pages, once the footer was read.
    pub fn sums(&self) -> Option<&Arc<Checksums>> {
        self.sums.as_ref()
    }

    /// Takes what proves the pages from a footer read before.
    pub fn set_sums(&mut self, sums: Option<Arc<Checksums>>) {
        self.sums = sums;
    }

    /// Byte ranges as they are in the store.
    async fn stored(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let parts = match self.store.get_ranges(&self.path, ranges).await {
            Ok(parts) => parts,
            Err(error) => return Err(self.explained(error).await),
        };
        for (range, part) in ranges.iter().zip(&parts) {
            if part.len() as u64 != range.end - range.start {
                return Err(self.named(damaged(phrase!("it ends before byte {}: it was cut short", range.end))));
            }
        }
        Ok(parts)
    }

    /// Byte ranges, checked.
    async fn checked(&mut self, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>> {
        if self.tail.is_some() && self.sums.is_none() {
            self.footer(PageIndexPolicy::Optional).await?;
        }
        let Some(sums) = &self.sums else { return self.stored(&ranges).await };
        let (whole, first) = sums.whole(&ranges);
        let mut parts = self.stored(&whole).await?;
        for (((part, whole), first), range) in parts.iter_mut().zip(&whole).zip(first).zip(&ranges) {
            if range.is_empty() {
                continue;
            }
            sums.check(whole.start, first, part).map_err(|error| self.named(error))?;
            *part = part.slice((range.start - whole.start) as usize..(range.end - whole.start) as usize);
        }
        Ok(parts)
    }

    async fn footer(&mut self, policy: PageIndexPolicy) -> Result<ParquetMetaData> {
        let Some(tail) = &self.tail else {
            let metadata = ParquetMetaDataReader::new().with_page_index_policy(policy).with_prefetch_hint(Some(FOOTER_BYTES));
            let bytes = self.bytes;
            return metadata.load_and_finish(self, bytes).await;
        };
        let bytes = self.end(tail).await?;
        let (metadata, sums) = tail.read(bytes, self.bytes).map_err(|error| self.named(error))?;
        self.sums = Some(Arc::new(sums));
        Ok(metadata)
    }

    /// The footer as of a file that had only these columns. Nothing where no log proves it: then only the whole will do.
    pub async fn footer_of(&mut self, columns: &[&str]) -> Result<Option<ParquetMetaData>> {
        let Some(tail) = &self.tail else { return Ok(None) };
        let bytes = self.end(tail).await?;
        let (metadata, sums) = tail.read_some(bytes, self.bytes, columns).map_err(|error| self.named(error))?;
        self.sums = Some(Arc::new(sums));
        Ok(Some(metadata))
    }

    /// An appendix of the file, which stands at `place`; `decode` proves it.
    pub async fn appendix<T>(&self, place: &Place, decode: impl FnOnce(&[u8]) -> crate::error::Result<T>) -> Result<T> {
        let bytes = self.stored(std::slice::from_ref(&place.bytes)).await?.remove(0);
        decode(&bytes).map_err(|error| self.named(ParquetError::External(Box::new(error))))
    }

    async fn end(&self, tail: &Tail) -> Result<Bytes> {
        let start = self.bytes.checked_sub(tail.bytes).ok_or_else(|| self.named(damaged("it is shorter than its footer")))?;
        Ok(self.stored(std::slice::from_ref(&(start..self.bytes))).await?.remove(0))
    }

    /// The error with the file's name and what to do.
    fn named(&self, error: ParquetError) -> ParquetError {
        let error = Error::corrupt(Error::from(error)).context(phrase!("{} is damaged", self.path));
        damaged(error.also("restore it from a copy of the warehouse, and run `ier verify`, which names all that is damaged"))
    }

    /// An error of the store, distinguished from a file that is shorter than it should be.
    async fn explained(&self, error: object_store::Error) -> ParquetError {
        if matches!(error, object_store::Error::Generic { .. })
            && let Ok(found) = self.store.head(&self.path).await
            && found.size != self.bytes
        {
            return self.named(damaged(phrase!("it has {} bytes, and the log says {}", found.size, self.bytes)));
        }
        ParquetError::External(Box::new(error))
    }
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move { Ok(self.checked(vec![range]).await?.remove(0)) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        self.checked(ranges).boxed()
    }

    fn get_metadata<'a>(&'a mut self, options: Option<&'a ArrowReaderOptions>) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        let policy = options.map_or(PageIndexPolicy::Optional, ArrowReaderOptions::offset_index_policy);
        async move { Ok(Arc::new(self.footer(policy).await?)) }.boxed()
    }
}
