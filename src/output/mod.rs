//! Writes an answer down, batch by batch as it comes: a table for people, a spreadsheet, and five formats for machines; or draws it.
//!
//! Memory does not grow with the answer in any format (a table holds its first thousand rows to measure its columns). A reader
//! that goes away (`| head`) is no error. Nothing here knows where the rows come from.

// The formats an answer is written in, and how it is shown.
pub mod format;

// What all formats have in common: rows come in, and go to a sink that may refuse them.
mod rows;

// How wide a text stands in a terminal, and how to make one safe and short.
mod width;

// Columns as other programs take them: no views, no dictionaries, no two of one name.
pub mod plain;

// Text inside HTML and SVG.
pub mod markup;

// Values as people read them.
pub mod cells;

// A table for people: aligned columns, or records.
mod table;

// CSV and JSON: text for other programs.
mod text;

// Parquet and Arrow files: answers other engines read at full speed.
mod binary;

// A spreadsheet: sheets of up to 1,048,575 rows each below a bold, frozen header with a filter.
mod xlsx;

// An answer as a picture: lines over time, bars, or a heat map.
pub mod chart;

// Spans of time as text people read.
mod spans;

// Which writer writes a format.
mod writer;

// The thread on which an answer is written down.
mod thread;

// An answer in a file: whole or not at all.
mod file;

// Lists for Data Loader: written under hidden names, synced, and only then given their own.
pub mod lists;

pub use self::file::{refuse_to_replace, write_file};
pub use self::format::{Format, Layout, Options};
pub use self::thread::write;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
