//! The formats in which an answer can be written, and the options for showing it.

use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use clap::ValueEnum;

use super::chart::kind::Kind;

/// How an answer is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// Aligned columns, for people
    Table,
    /// A line a column, row by row, for people
    Record,
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
    /// An Arrow IPC stream, for who reads it as it comes
    #[value(skip)]
    ArrowStream,
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
        matches!(self, Self::Parquet | Self::Arrow | Self::ArrowStream | Self::Xlsx | Self::Png)
    }

    /// Drawn rather than written.
    pub fn is_chart(self) -> bool {
        matches!(self, Self::Chart | Self::Svg | Self::Png)
    }
}

/// How a table that may be too wide stands in a terminal.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Layout {
    /// With all columns, however wide: what is written to a file or a pipe.
    #[default]
    Whole,
    /// No wider than the terminal: the last columns are left out where they do not fit, and named.
    Fitting,
    /// As records, where it is wider than the terminal.
    RecordsIfWide,
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
    /// How a table stands in a terminal.
    pub layout: Layout,
    /// May a file that is there already be replaced?
    pub may_replace: bool,
    /// What a chart is to be; `None` lets the columns decide.
    pub chart: Option<Kind>,
    /// Characters across of a chart in a terminal.
    pub terminal_columns: usize,
    /// How long the statement may take, the time included in which the reader of its answer lets it wait; `None` is for ever.
    pub limit: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            zone: None,
            max_rows_table: usize::MAX,
            spill_folder: None,
            layout: Layout::Whole,
            may_replace: false,
            chart: None,
            terminal_columns: 80,
            limit: None,
        }
    }
}
