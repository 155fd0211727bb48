//! Writes an answer batch by batch: as a table for people, a spreadsheet, one of five formats for machines, or a chart.
//!
//! No format needs more memory for a longer answer, except charts, which take few rows; a table holds its first thousand rows to
//! measure its columns. A reader that goes away (`| head`) is no error. Nothing here knows where the rows come from.

// The formats of answers, and the options for showing them.
pub mod format;

// The trait of a format's writer, and the sink to which all formats write.
mod rows;

// How many columns of a terminal a text takes, and how to shorten it.
mod width;

// Converts columns to types that other programs read: no views, no dictionaries, no name twice.
pub mod plain;

// Escapes texts for HTML and SVG.
pub mod markup;

// Formats the values of a column as text, for tables and records.
pub mod cells;

// Writes a table for people: aligned columns, or records.
mod table;

// Writes CSV and JSON.
mod text;

// Writes Parquet and Arrow files, for other engines.
mod binary;

// Writes a spreadsheet.
mod xlsx;

// An answer as a picture: lines over time, bars, or a heat map.
pub mod chart;

// Converts intervals to text: `1 day 04:42:24`.
mod spans;

// Makes the writer of a format.
mod writer;

// The thread on which an answer is written.
mod thread;

// Writes an answer to a file, whole or not at all.
mod file;

// Writes lists of ids for Data Loader.
pub mod lists;

pub use self::file::{refuse_to_replace, write_file};
pub use self::format::{Format, Layout, Options};
pub use self::thread::write;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
