//! The trait that each format's writer implements, and the sink to which all formats write. The sink remembers its first error,
//! because not all libraries return it as they got it.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;

use crate::error::Result;

/// One format's way of writing.
pub(super) trait Rows: Send {
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes what closes the answer, and flushes.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// The sink, remembering what it refused: the writers of formats do not all pass that on as they got it.
pub(super) struct Pipe<'a> {
    pub(super) sink: &'a mut (dyn Write + Send),
    /// What the sink said first when it took no more.
    pub(super) refused: Option<io::Error>,
    /// Nobody wants the rest of the answer.
    pub(super) stopped: &'a AtomicBool,
}

impl Pipe<'_> {
    fn note<T>(&mut self, outcome: io::Result<T>) -> io::Result<T> {
        if let (Err(error), None) = (&outcome, &self.refused)
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.refused = Some(again(error));
        }
        outcome
    }

    fn wanted(&self) -> io::Result<()> {
        match self.stopped.load(Ordering::Relaxed) {
            true => Err(io::Error::other("nobody waits for the answer")),
            false => Ok(()),
        }
    }
}

/// The same error once more.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wanted()?;
        let outcome = self.sink.write(bytes);
        self.note(outcome)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.wanted()?;
        let outcome = self.sink.flush();
        self.note(outcome)
    }
}
