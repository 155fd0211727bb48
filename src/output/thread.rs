//! Writes an answer on a thread of its own, so that a slow reader does not block the program.
//!
//! # Decisions
//! - 2026-11-28 **Answers are written on a thread of their own.** A reader that does not read held the thread that listens
//!   for signals and clocks. The thread holds the sink and a batch; it is not waited for.

use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use tokio::sync::{mpsc, oneshot};

use super::format::{Format, Options};
use super::rows::Pipe;
use super::writer::writer;
use crate::error::{Context, Error, Result};

/// Batches that wait to be written, beside the one that is.
const AHEAD: usize = 1;

/// Tells the thread that nobody wants the answer any more.
struct CancelFlag(Arc<AtomicBool>);

impl Drop for CancelFlag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What is handed to the thread; that no end comes means that there will be none.
enum Part {
    Rows(RecordBatch),
    End,
}

/// Writes the whole answer and returns how many rows it had. When the reader goes away, stops asking and returns the rows
/// written so far. On an error the sink holds the beginning of an answer: see [`write_file`](super::write_file) for all or nothing.
///
/// The sink is written to on a thread of its own: a reader that does not read keeps that thread waiting, and nobody from
/// hearing a signal, or that the time is over. Dropping this stops the writing where it is.
///
/// # Errors
/// The statement's; unavailable when its time is over; what the sink refuses (a full disk is unavailable).
pub async fn write(
    stream: SendableRecordBatchStream,
    format: Format,
    sink: impl Write + Send + 'static,
    options: &Options,
) -> Result<u64> {
    let sink: Box<dyn Write + Send> = Box::new(sink);
    let wanted = CancelFlag(Arc::default());
    let (sender, parts) = mpsc::channel(AHEAD);
    let (ended, end) = oneshot::channel();
    let (schema, options, stopped) = (stream.schema(), options.clone(), wanted.0.clone());
    let limit = options.limit;
    let thread = std::thread::Builder::new().name("ier-writer".to_owned());
    // Not joined: while its reader sleeps it cannot end. What it holds is the sink alone.
    let begun = thread.spawn(move || drop(ended.send(put(format, schema, sink, &options, parts, &stopped))));
    begun.context(|| "cannot start a thread")?;
    let time_is_over = async {
        match limit {
            Some(limit) => {
                tokio::time::sleep(limit).await;
                Error::timed_out(limit)
            }
            None => std::future::pending().await,
        }
    };
    let hand_over = async {
        let mut stream = stream;
        while let Some(batch) = stream.next().await {
            // It ends early only with an error of its own.
            if sender.send(Part::Rows(batch?)).await.is_err() {
                return Ok(());
            }
        }
        Ok::<_, Error>(())
    };
    tokio::select! {
        // An answer that is there is not reported as late.
        biased;
        handed = hand_over => handed?,
        late = time_is_over => return Err(late),
    }
    // Why the channel was closed, the thread's own outcome says.
    drop(sender.send(Part::End).await);
    let outcome = end.await.map_err(|_| Error::internal("the thread that writes the answer stopped"))?;
    drop(wanted);
    outcome
}

/// Writes what comes, and returns how many rows that were.
fn put(
    format: Format,
    schema: SchemaRef,
    mut sink: Box<dyn Write + Send>,
    options: &Options,
    mut parts: mpsc::Receiver<Part>,
    stopped: &AtomicBool,
) -> Result<u64> {
    let mut rows = 0;
    let mut pipe = Pipe { sink: &mut *sink, refused: None, stopped };
    let outcome = (|| {
        let mut writer = writer(format, schema, &mut pipe, options)?;
        loop {
            match parts.blocking_recv() {
                Some(Part::Rows(batch)) if batch.num_rows() == 0 => {}
                Some(Part::Rows(batch)) => {
                    writer.write(&batch)?;
                    rows += batch.num_rows() as u64;
                }
                Some(Part::End) => return writer.finish(),
                // Nobody hears this.
                None => return Err(Error::interrupted("nobody waits for the answer")),
            }
        }
    })();
    match (outcome, pipe.refused) {
        (Ok(()), _) => Ok(rows),
        // `| head` has what it wanted.
        (Err(_), Some(refused)) if refused.kind() == ErrorKind::BrokenPipe => Ok(rows),
        (Err(_), Some(refused)) => Err(refused.into()),
        (Err(error), None) => Err(error),
    }
}
