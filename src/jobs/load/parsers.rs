//! The parser threads of a load: they read the files, send batches to the load, and count the rows.
//!
//! **Invariant**: the load gets all rows or an error. A closed channel proves nothing, because it is closed at the end and also
//! when a parser dies. So a load goes on only if each parser has ended by itself, each requested file was read to its end, and each
//! row was handed over or rejected.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::human;
use crate::ledgers::coverage::{Covered, FileInProgress};
use crate::record::fields::Table;
use crate::source::export::{self, Next, Piece, ReadOptions};
use crate::source::inputs::Input;
use crate::source::reject::{Reject, RejectFile, RejectSink};
use crate::source::rows::Irregularities;

/// Files parsed at once, and half the batches on their way.
const PARSERS: usize = 2;

/// A message of a parser.
pub(super) enum Parsed {
    /// Rows of a table.
    Rows(Arc<Table>, RecordBatch),
    /// An export is at its end.
    End(FinishedExport),
    /// In place of a file stands that there is nothing.
    Nothing(String),
    /// Something among others that is not read, and why.
    SkippedFile(String, String),
    /// A file is not as it was taken for.
    Otherwise,
    /// What a whole file brought.
    Input(Vec<Covered>),
}

/// An export that was read to its end.
pub(super) struct FinishedExport {
    pub(super) name: String,
    pub(super) table: Arc<Table>,
    pub(super) rows_read: u64,
    pub(super) rejected: u64,
    pub(super) irregularities: Irregularities,
    /// What was assumed of it.
    pub(super) notes: Vec<String>,
}

/// A parser's message, with what it says of the file.
enum Message {
    Opened { at: usize, name: String },
    Parsed(Parsed),
    Read { at: usize, exports: u64, covered: Vec<Covered> },
}

/// A rejects file that parsers share.
pub(super) type Rejected = Arc<Mutex<RejectFile>>;

/// The threads, and what they have opened and read.
pub(super) struct Parsers {
    messages: mpsc::Receiver<Result<Message>>,
    threads: JoinSet<()>,
    files: usize,
    /// Opened, and not at their end.
    open: BTreeMap<usize, String>,
    files_read: usize,
    exports_read: u64,
    exports_ended: u64,
}

impl Parsers {
    /// Begins to read, a few batches ahead.
    pub(super) fn start(inputs: Vec<Input>, options: &ReadOptions, rejects: &Rejected) -> Self {
        let files = inputs.len();
        let (sender, messages) = mpsc::channel(PARSERS * 2);
        let queue = Arc::new(Mutex::new(inputs.into_iter().enumerate()));
        let mut threads = JoinSet::new();
        for _ in 0..PARSERS {
            let (queue, sender, options, rejects) = (queue.clone(), sender.clone(), options.clone(), rejects.clone());
            // A thread cannot be stopped from outside. When the receiver goes away, as on Ctrl-C, its next message is the last.
            threads.spawn_blocking(move || {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((at, input)) = next else { return };
                    if let Err(error) = parse(at, &input, &options, &rejects, &sender) {
                        // The receiver reports the first error and stops listening: later ones have nowhere to go.
                        drop(sender.blocking_send(Err(error)));
                        return;
                    }
                }
            });
        }
        Self { messages, threads, files, open: BTreeMap::new(), files_read: 0, exports_read: 0, exports_ended: 0 }
    }

    /// What comes next; `None` when everything was read to its end.
    ///
    /// # Errors
    /// What a parser met; internal when one has died, or has ended before its files were read.
    pub(super) async fn next(&mut self) -> Result<Option<Parsed>> {
        loop {
            let message = tokio::select! {
                biased;
                Some(ended) = self.threads.join_next() => {
                    ended.map_err(|error| Error::from(error).context(self.unread()))?;
                    continue;
                }
                message = self.messages.recv() => message,
            };
            match message.transpose()? {
                None => return self.end().map(|()| None),
                Some(Message::Opened { at, name }) => drop(self.open.insert(at, name)),
                Some(Message::Parsed(parsed)) => {
                    self.exports_ended += u64::from(matches!(parsed, Parsed::End(_)));
                    return Ok(Some(parsed));
                }
                Some(Message::Read { at, exports, covered }) => {
                    self.files_read += usize::from(self.open.remove(&at).is_some());
                    self.exports_read += exports;
                    return Ok(Some(Parsed::Input(covered)));
                }
            }
        }
    }

    /// Stops reading, and waits until no parser is at work any more.
    pub(super) async fn stop(mut self) {
        self.messages.close();
        while self.threads.join_next().await.is_some() {}
    }

    /// Is everything read that was to be?
    fn end(&self) -> Result<()> {
        let all_read = self.files_read == self.files && self.open.is_empty() && self.exports_ended == self.exports_read;
        if all_read { Ok(()) } else { Err(Error::internal(self.unread())) }
    }

    fn unread(&self) -> String {
        let open = match self.open.is_empty() {
            true => String::new(),
            false => format!(" ({} not to the end)", self.open.values().cloned().collect::<Vec<_>>().join(", ")),
        };
        let files = human::counted(self.files as u64, "file");
        format!("nothing of this load is stored: of {files}, {} were read{open}", self.files_read)
    }
}

/// Parses one input and sends its batches.
fn parse(
    at: usize,
    input: &Input,
    options: &ReadOptions,
    rejects: &Rejected,
    sender: &mpsc::Sender<Result<Message>>,
) -> Result<()> {
    let send = |message| sender.blocking_send(Ok(message)).map_err(|_| Error::interrupted("loading was stopped"));
    let file_name = input.path.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let mut covering = FileInProgress::of(file_name.unwrap_or_else(|| input.name.clone()));
    send(Message::Opened { at, name: input.name.clone() })?;
    let mut opened = export::open(input, options)?;
    let mut exports = 0;
    while let Some(piece) = opened.next_piece()? {
        let mut export = match piece {
            Piece::Export(export) => export,
            Piece::LeftOut(name, why) => {
                send(Message::Parsed(Parsed::SkippedFile(name, why)))?;
                continue;
            }
            Piece::Nothing(name) => {
                send(Message::Parsed(Parsed::Nothing(name)))?;
                continue;
            }
        };
        let mut sink = Rejects { file: rejects.clone(), count: 0 };
        let mut taken = 0;
        loop {
            match export.next(&mut sink)? {
                Next::Rows(batch) => {
                    covering.rows(&export.table, &batch);
                    taken += batch.num_rows() as u64;
                    send(Message::Parsed(Parsed::Rows(export.table.clone(), batch)))?;
                }
                Next::End => break,
                Next::Otherwise => return send(Message::Parsed(Parsed::Otherwise)),
            }
        }
        let (table, rows_read, rejected) = (export.table.clone(), export.rows_read(), sink.count);
        if rows_read != taken + rejected {
            let what = format!("{}: of {rows_read} rows, {taken} were taken and {rejected} refused", export.name);
            return Err(Error::internal(what));
        }
        covering.end(&table, rows_read, rejected, export.reading());
        let (name, irregularities, notes) = (export.name.clone(), export.irregularities(), export.notes());
        send(Message::Parsed(Parsed::End(FinishedExport { name, table, rows_read, rejected, irregularities, notes })))?;
        exports += 1;
    }
    let fingerprint = opened.digest.finish()?;
    if let Some(bytes) = input.bytes.filter(|bytes| fingerprint.bytes < *bytes) {
        let (name, read) = (&input.name, fingerprint.bytes);
        return Err(Error::corrupt(phrase!("{name} ended after {read} of its {bytes} bytes: it was cut off while it was read")));
    }
    send(Message::Read { at, exports, covered: covering.finish(&fingerprint) })
}

/// One file's way into the shared rejects file.
struct Rejects {
    file: Rejected,
    count: u64,
}

impl RejectSink for Rejects {
    fn reject(&mut self, reject: Reject) -> Result<()> {
        self.count += 1;
        self.file.lock().unwrap_or_else(PoisonError::into_inner).reject(reject)
    }
}
