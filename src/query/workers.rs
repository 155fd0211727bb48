//! Runs statements on threads of their own, apart from those that handle timers and Ctrl-C.
//!
//! A join that finds nothing may compute for minutes without yielding. On its own threads it blocks nothing else: when its time
//! is over the caller is told at once, and the work stops at its next yield. Until then it keeps its threads; later statements
//! get others.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result as DfResult;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use futures::{FutureExt, Stream, StreamExt};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::depth::STACK_BYTES;
use crate::error::{Context as _, Error, Result};

/// Batches on their way to the reader: enough that neither side waits for the other to wake up.
const BATCHES_AHEAD: usize = 2;

/// Stopped statements get this long to remove their temporary files.
const FAREWELL: Duration = Duration::from_secs(2);

/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_millis(5);

/// Threads a thread that wait for local files: enough to keep a disk at work. More would each hold memory of their own.
const READERS: usize = 4;

/// Threads of an engine. They end with it and with the last answer that comes from them, whichever goes later.
#[derive(Debug)]
pub struct Workers {
    threads: usize,
    current: Current,
}

/// The threads on which the next statement runs; none where those of the last may be held up by one that was stopped.
type Current = Arc<Mutex<Option<Arc<Threads>>>>;

#[derive(Debug)]
struct Threads {
    runtime: Option<Runtime>,
    /// A statement was stopped here, and may go on for a while: nobody waits for that.
    is_retired: AtomicBool,
}

impl Threads {
    fn start(threads: usize) -> Result<Arc<Self>> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(threads * READERS)
            .thread_name("ier-query")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build();
        let runtime = Some(runtime.context(|| "cannot start threads")?);
        Ok(Arc::new(Self { runtime, is_retired: AtomicBool::new(false) }))
    }
}

impl Workers {
    /// Starts so many threads.
    pub fn start(threads: usize) -> Result<Self> {
        let threads = threads.max(1);
        Ok(Self { threads, current: Arc::new(Mutex::new(Some(Threads::start(threads)?))) })
    }

    fn current(&self) -> Result<Arc<Threads>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some(threads) => Ok(threads.clone()),
            None => Ok(current.insert(Threads::start(self.threads)?).clone()),
        }
    }

    /// Runs a statement: `plan` there, and then the stream it returns. Dropping what is returned, at either time, stops it.
    pub async fn run(
        &self,
        plan: impl Future<Output = Result<SendableRecordBatchStream>> + Send + 'static,
    ) -> Result<WorkerStream> {
        let threads = self.current()?;
        let runtime = threads.runtime.as_ref().ok_or_else(|| Error::internal("the engine has been closed"))?;
        let (started, begun) = tokio::sync::oneshot::channel();
        let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
        let waits = Arc::new(AtomicBool::new(false));
        let waiting = waits.clone();
        let job = runtime.spawn(async move {
            let mut stream = match plan.await {
                Ok(stream) => stream,
                // When nobody waits any more, the statement was stopped, and nobody wants to know.
                Err(error) => return drop(started.send(Err(error))),
            };
            if started.send(Ok(stream.schema())).is_err() {
                return;
            }
            while let Some(batch) = stream.next().await {
                waiting.store(true, Ordering::Relaxed);
                if sender.send(batch).await.is_err() {
                    return;
                }
                waiting.store(false, Ordering::Relaxed);
            }
        });
        let mut job = Job { task: Some(job), waits, threads: threads.clone(), current: self.current.clone() };
        match begun.await {
            Ok(schema) => Ok(WorkerStream { schema: schema?, batches, job }),
            Err(_stopped) => Err(job.failure().await),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let is_retired = *self.is_retired.get_mut();
        // A runtime may not be waited for on the thread of another. What was stopped ends at its next pause; a runtime that went before it
        // would take from it what it waits for. Only of those nobody waits for may that be long.
        let farewell = std::thread::spawn(move || {
            let mut waited = Duration::ZERO;
            while runtime.metrics().num_alive_tasks() > 0 && (is_retired || waited < FAREWELL) {
                std::thread::sleep(LOOK);
                waited += LOOK;
            }
            runtime.shutdown_timeout(FAREWELL.saturating_sub(waited));
        });
        if !is_retired {
            drop(farewell.join());
        }
    }
}

/// A task that is stopped when its owner goes away.
#[derive(Debug)]
struct Job {
    task: Option<JoinHandle<()>>,
    /// It waits for its reader, and computes nothing.
    waits: Arc<AtomicBool>,
    /// Where it runs; kept until nobody waits for it.
    threads: Arc<Threads>,
    current: Current,
}

impl Job {
    /// Why the task ended without having said so.
    async fn failure(&mut self) -> Error {
        let outcome = match self.task.take() {
            Some(task) => task.await.err().map(Error::from),
            None => None,
        };
        outcome.unwrap_or_else(|| Error::internal("a statement ended without an answer"))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let Some(task) = self.task.take().filter(|task| !task.is_finished()) else { return };
        task.abort();
        // Whoever read only a part of an answer leaves threads that are free at once.
        if self.waits.load(Ordering::Relaxed) {
            return;
        }
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|threads| Arc::ptr_eq(threads, &self.threads)) {
            self.threads.is_retired.store(true, Ordering::Relaxed);
            *current = None;
        }
    }
}

/// The answer of a statement that runs on a worker thread.
#[derive(Debug)]
pub struct WorkerStream {
    schema: SchemaRef,
    batches: mpsc::Receiver<DfResult<RecordBatch>>,
    job: Job,
}

impl Stream for WorkerStream {
    type Item = DfResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(batch) = ready!(self.batches.poll_recv(context)) {
            return Poll::Ready(Some(batch));
        }
        // An answer is whole only when its task says so: one that broke off must not pass for a short one.
        let Some(task) = &mut self.job.task else { return Poll::Ready(None) };
        let ended = ready!(task.poll_unpin(context));
        self.job.task = None;
        Poll::Ready(ended.err().map(|error| Err(Error::from(error).into())))
    }
}

impl RecordBatchStream for WorkerStream {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    use arrow::datatypes::Schema;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::stream;

    fn answer(batches: impl Stream<Item = DfResult<RecordBatch>> + Send + 'static) -> Result<SendableRecordBatchStream> {
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::new(Schema::empty()), batches)))
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_an_error() {
        let workers = Workers::start(1).unwrap();
        let broken = stream::iter([0, 1])
            .map(|at| if at == 0 { Ok(RecordBatch::new_empty(Arc::new(Schema::empty()))) } else { panic!("a fault") });
        let mut away = workers.run(async { answer(broken) }).await.unwrap();
        assert!(away.next().await.unwrap().is_ok());
        assert!(away.next().await.unwrap().unwrap_err().to_string().contains("a task stopped"));
        assert!(away.next().await.is_none());

        let whole = workers.run(async { answer(stream::empty()) }).await.unwrap();
        assert_eq!(whole.count().await, 0);
        let refused = workers.run(async { Err(Error::invalid("no")) }).await;
        assert_eq!(refused.unwrap_err().kind(), crate::error::Kind::Invalid);
        let panicked = workers.run(async { panic!("a fault while planning") }).await;
        assert!(panicked.unwrap_err().to_string().contains("a task stopped"));
    }

    #[tokio::test]
    async fn an_answer_outlives_its_engine() {
        let workers = Workers::start(1).unwrap();
        let slow = stream::once(async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(RecordBatch::new_empty(Arc::new(Schema::empty())))
        });
        let away = workers.run(async { answer(slow) }).await.unwrap();
        drop(workers);
        assert!(away.map(|batch| batch.is_ok()).collect::<Vec<_>>().await == [true]);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_stopped() {
        let workers = Workers::start(1).unwrap();
        let held = Arc::new(());
        let holding = held.clone();
        let endless = stream::pending().map(move |batch| {
            let _ = &holding;
            batch
        });
        let away = workers.run(async { answer(endless) }).await.unwrap();
        drop(away);
        // The thread drops what it held when it next runs.
        for _ in 0..1000 {
            if Arc::strong_count(&held) == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("what nobody waits for is kept");
    }

    #[tokio::test]
    async fn an_answer_that_is_read_in_part_leaves_its_threads_to_the_next() {
        let workers = Workers::start(1).unwrap();
        let thread_of = |workers: &Workers| workers.current().unwrap();
        let first = thread_of(&workers);
        let endless = stream::repeat_with(|| Ok(RecordBatch::new_empty(Arc::new(Schema::empty()))));
        let mut away = workers.run(async { answer(endless) }).await.unwrap();
        assert!(away.next().await.unwrap().is_ok());
        while !away.job.waits.load(Ordering::Relaxed) || away.batches.len() < BATCHES_AHEAD {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(away);
        assert!(Arc::ptr_eq(&first, &thread_of(&workers)));
        let next = workers.run(async { answer(stream::empty()) }).await.unwrap();
        assert_eq!(next.count().await, 0);
    }

    #[tokio::test]
    async fn a_statement_that_makes_no_pause_holds_up_nobody_once_it_is_stopped() {
        let workers = Workers::start(1).unwrap();
        let free = Arc::new(AtomicBool::new(false));
        let until = free.clone();
        let deaf = stream::once(async move {
            // A join that finds nothing.
            while !until.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(RecordBatch::new_empty(Arc::new(Schema::empty())))
        });
        let mut away = workers.run(async { answer(deaf) }).await.unwrap();
        let begun = tokio::time::timeout(Duration::from_millis(50), away.next()).await;
        assert!(begun.is_err(), "it computes");
        drop(away);
        let next = workers.run(async { answer(stream::empty()) }).await.unwrap();
        assert_eq!(tokio::time::timeout(Duration::from_secs(20), next.count()).await, Ok(0));
        free.store(true, Ordering::Relaxed);
    }
}
