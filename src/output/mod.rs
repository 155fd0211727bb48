//! Writes an answer down, batch by batch as it comes: a table for people, a spreadsheet, and five formats for machines; or draws it.
//!
//! Memory does not grow with the answer in any format (a table holds its first thousand rows to measure its columns). A reader
//! that goes away (`| head`) is no error. Nothing here knows where the rows come from.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono_tz::Tz;
use clap::ValueEnum;
use datafusion::execution::SendableRecordBatchStream;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::error::Result;

mod binary;

pub mod chart;

mod file;

pub mod lists;

mod plain;

mod table;

mod text;

mod thread;

mod width;

mod xlsx;

pub use file::write_file;

/// How an answer is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// Aligned columns, for people
    Table,
    /// A header line, then a line a row; times in ISO 8601, UTC; null is empty
    Csv,
    /// One JSON array of objects
    Json,
    /// One JSON object a line
    Ndjson,
    /// Apache Parquet, zstd
    Parquet,
    /// An Arrow IPC file
    Arrow,
    /// A spreadsheet; as many sheets as it takes
    Xlsx,
    /// A chart in the terminal; see --chart
    Chart,
    /// A chart as a picture
    Svg,
    /// A chart as a picture of dots
    Png,
}

impl Format {
    /// The format a file's name asks for.
    pub fn of_file(path: &std::path::Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "txt" => Some(Self::Table),
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "parquet" => Some(Self::Parquet),
            "arrow" | "feather" => Some(Self::Arrow),
            "xlsx" => Some(Self::Xlsx),
            "svg" => Some(Self::Svg),
            "png" => Some(Self::Png),
            _ => None,
        }
    }

    /// Bytes rather than text: nothing for a terminal.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow | Self::Xlsx | Self::Png)
    }

    /// Drawn rather than written.
    pub fn is_chart(self) -> bool {
        matches!(self, Self::Chart | Self::Svg | Self::Png)
    }
}

/// How a table, a spreadsheet and a chart are shown; the formats for machines do not depend on it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Show times in this zone (`2026-08-06 06:13:00-06:00`); `None` shows UTC (`2026-08-06 12:13:00Z`).
    pub zone: Option<Tz>,
    /// Show at most this many rows; the rest is counted, and the last line says so.
    pub max_rows_table: usize,
    /// Where the rows of a spreadsheet wait; `None` is the system's temporary folder.
    pub spill_folder: Option<PathBuf>,
    /// What a chart is to be; `None` lets the columns decide.
    pub chart: Option<chart::Kind>,
    /// Characters across of a chart in a terminal.
    pub terminal_columns: usize,
    /// How long the statement may take, the time included in which the reader of its answer lets it wait; `None` is for ever.
    pub limit: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self { zone: None, max_rows_table: usize::MAX, spill_folder: None, chart: None, terminal_columns: 80, limit: None }
    }
}

/// Writes the whole answer and returns how many rows it had. When the reader goes away, stops asking and returns the rows
/// written so far. On an error the sink holds the beginning of an answer: see [`write_file`] for all or nothing.
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
    thread::write(stream, format, Box::new(sink), options).await
}

/// One format's way of writing.
trait Rows: Send {
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes what closes the answer, and flushes.
    fn finish(self: Box<Self>) -> Result<()>;
}

fn writer<'a>(format: Format, schema: SchemaRef, pipe: &'a mut Pipe<'_>, options: &Options) -> Result<Box<dyn Rows + 'a>> {
    Ok(match format {
        Format::Table => Box::new(table::Table::new(schema, pipe, options)),
        Format::Csv => Box::new(text::Csv::new(schema, pipe)?),
        Format::Json => Box::new(text::Json::<_, text::Array>::new(schema, pipe)),
        Format::Ndjson => Box::new(text::Json::<_, text::Lines>::new(schema, pipe)),
        Format::Parquet => Box::new(binary::Parquet::new(schema, pipe)?),
        Format::Arrow => Box::new(binary::Arrow::new(schema, pipe)?),
        Format::Chart => Box::new(chart::Chart::new(schema, pipe, chart::Surface::Terminal, options)),
        Format::Svg => Box::new(chart::Chart::new(schema, pipe, chart::Surface::Svg, options)),
        Format::Png => Box::new(chart::Chart::new(schema, pipe, chart::Surface::Png, options)),
        Format::Xlsx => Box::new(xlsx::Xlsx::new(&schema, pipe, options)?),
    })
}

/// Whether a column's moments are in UTC: those are shown in the zone asked for.
fn is_utc(zone: &str) -> bool {
    zone.eq_ignore_ascii_case("UTC") || zone == "+00:00"
}

/// The sink, remembering what it refused: the writers of formats do not all pass that on as they got it.
struct Pipe<'a> {
    sink: &'a mut (dyn Write + Send),
    /// What the sink said first when it took no more.
    refused: Option<io::Error>,
    /// Nobody wants the rest of the answer.
    stopped: &'a AtomicBool,
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
