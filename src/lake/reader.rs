//! How a file's bytes are asked for: in as few requests as its layout allows.
//!
//! A store is far away: a request costs tens of milliseconds, the bytes between two columns next to nothing. So the footer
//! is guessed to be small and fetched with the page index in one request, and the columns of a row group are asked for
//! together, so that the store joins neighbours.

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

/// Bytes at a file's end that are fetched at once: footer and page index of most files.
const FOOTER_BYTES: usize = 64 << 10;

/// A file in the store.
#[derive(Clone)]
pub struct Reader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reader of {}", self.path)
    }
}

impl Reader {
    /// A reader of the file at `path`, which is `bytes` long. Nothing is read yet.
    pub fn new(store: Arc<dyn ObjectStore>, path: Path, bytes: u64) -> Self {
        Self { store, path, bytes }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move { self.store.get_range(&self.path, range).await.map_err(external) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(external) }.boxed()
    }

    fn get_metadata<'a>(&'a mut self, options: Option<&'a ArrowReaderOptions>) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        let policy = options.map_or(PageIndexPolicy::Optional, ArrowReaderOptions::offset_index_policy);
        let bytes = self.bytes;
        async move {
            let metadata = ParquetMetaDataReader::new().with_page_index_policy(policy).with_prefetch_hint(Some(FOOTER_BYTES));
            Ok(Arc::new(metadata.load_and_finish(self, bytes).await?))
        }
        .boxed()
    }
}
