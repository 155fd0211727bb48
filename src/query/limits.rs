//! The limits of an engine and its statements: memory, threads, time. A stream of rows that fails when its time is over.

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result as DfResult;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use futures::{FutureExt, Stream, StreamExt};
use tokio::time::Sleep;

use crate::error::Error;
use crate::query::planner::shortcuts::Shortcuts;

/// Limits of an engine and its statements.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Memory of all running statements, in bytes; what needs more spills to disk.
    pub memory_bytes: usize,
    /// Where it spills; the system's temporary folder by default.
    pub spill_folder: Option<PathBuf>,
    /// How long a statement may run; none for as long as it takes.
    pub statement: Option<Duration>,
    /// Memory for footers, page indexes, dictionaries and rollups, in bytes.
    pub metadata_cache_bytes: usize,
    /// Threads a statement runs on.
    pub threads: usize,
    /// The planner's short ways that are taken.
    pub shortcuts: Shortcuts,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 2 << 30,
            spill_folder: None,
            statement: Some(Duration::from_secs(300)),
            metadata_cache_bytes: 256 << 20,
            threads: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            shortcuts: Shortcuts::default(),
        }
    }
}

/// A stream that fails when its time is over. Dropping it, as on Ctrl-C, stops the statement.
pub struct Timed {
    inner: SendableRecordBatchStream,
    deadline: Pin<Box<Sleep>>,
    limit: Duration,
    over: bool,
}

impl Timed {
    /// `inner`, with what is left of the statement's time.
    pub fn new(inner: SendableRecordBatchStream, deadline: Pin<Box<Sleep>>, limit: Duration) -> Self {
        Self { inner, deadline, limit, over: false }
    }
}

impl Stream for Timed {
    type Item = DfResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        if self.deadline.poll_unpin(context).is_ready() {
            self.over = true;
            return Poll::Ready(Some(Err(Error::timed_out(self.limit).into())));
        }
        self.inner.poll_next_unpin(context)
    }
}

impl RecordBatchStream for Timed {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}
