//! Reads exports: from a file or stream to batches of a table.
//!
//! A file is found ([`inputs`]), decompressed and decoded ([`decode`]), and its table recognised by its header ([`recognise`]). How
//! it is to be read is detected ([`detect`]), and its rows are read so ([`text`], [`json`], [`parquet`]). Texts become values
//! ([`columns`]), and rows become batches of the table ([`export`]).
//!
//! Decisions, with what was refused: `DECISIONS.md`, in this folder.

// Resolves the inputs that the user names to a list of files.
pub mod inputs;

// Input streams: buffered, counted, copied to a file where they must be read twice.
mod stream;

// Opens a file as UTF-8 text or as Parquet: decompresses it and decodes its encoding.
mod decode;

// The digest of an input file: its size and hash.
pub mod digest;

// The members of a zip, each as a stream of its own.
mod zip;

// How a file is read: all assumptions about it in one value.
pub mod reading;

// Maps a header to a column, however the exporting tool spells column names.
mod headers;

// Checks that an export can be of the table named by `--as`.
mod requested;

// Decides which table an export belongs to.
pub mod recognise;

// The layout of an export: which header fills which column.
mod layout;

// Splits delimited text into records and fields, and checks the quotes.
mod records;

// Recognises the closing lines of a report, which are not rows.
mod ending;

// Detects the dialect of a delimited file and the order of its dates.
mod detect;

// Parses moments and days, in every form seen in real exports.
pub mod moments;

// Parses the values of an export's text: words for null, checkboxes, whole numbers.
pub mod values;

// Converts texts to one column of a batch.
mod columns;

// Converts a Parquet file's columns to the types of the lake.
mod convert;

// What the readers of all formats share: options, results, counts, and completing batches.
pub mod rows;

// Reads the rows of delimited text.
mod text;

// A tokenizer for JSON records that are complete in memory.
mod tokens;

// Splits a JSON text into its objects.
mod objects;

// Reads rows of JSON.
mod json;

// Reads rows of Parquet.
mod parquet;

// An export file as batches of its table: opened, recognised and read to the end.
pub mod export;

// `ier inspect`: what a load would make of files, without storing anything.
pub mod inspect;

// Rejects: rows that could not be loaded, with their position and the reason.
pub mod reject;
