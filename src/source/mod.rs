//! Where records come from.
//!
//! A file is found ([`inputs`]), unpacked and decoded ([`decode`]), recognised by its header ([`recognise`]), judged ([`detect`]) and read
//! as it was judged ([`text`], [`json`], [`parquet`]); its texts become values ([`columns`]), and its rows a table's ([`export`]).
//!
//! Decisions, with what was refused: `DECISIONS.md`, in this folder.

// What to read: files, folders, patterns, standard input.
pub mod inputs;

// Bytes on their way.
mod stream;

// From a file to text or Parquet: packings and encodings.
mod decode;

// What a file was, byte for byte.
pub mod digest;

// The members of a zip.
mod zip;

// How a file is to be read: everything assumed of it, in one value.
pub mod reading;

// Which column a header means.
mod headers;

// Checks that an export can be of the table named by `--as`.
mod requested;

// Which table a file belongs to.
pub mod recognise;

// Which header fills which column.
mod layout;

// Delimited text as records.
mod records;

// Where a table ends, in a report.
mod ending;

// From what a text holds to how it is read.
mod detect;

// Moments and days, in every form.
pub mod moments;

// Words for nothing, checkboxes, whole numbers.
pub mod values;

// From texts to columns.
mod columns;

// From Parquet's types to ours.
mod convert;

// What all formats do with their rows.
pub mod rows;

// Rows of delimited text.
mod text;

// JSON's tokens.
mod tokens;

// The objects of a JSON text.
mod objects;

// Rows of JSON.
mod json;

// Rows of Parquet.
mod parquet;

// An export as batches of its table.
pub mod export;

// What a load would make of files.
pub mod inspect;

// Rows that could not be taken.
pub mod reject;
