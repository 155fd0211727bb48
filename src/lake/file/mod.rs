//! One Parquet file: its layout, its appendix, its checksums, and how its bytes are read.
//!
//! Nothing here knows which files a table has.

// Names of our entries in the tags of a file's log entry.
pub mod tags;

// How a file is laid out: encodings, pages, row groups.
pub mod layout;

// Rows in file order: sorting a batch, and merging sorted streams into one.
pub mod sort;

// What a file carries beside its rows, where no other engine looks.
pub mod appendix;

// The rollup of a file: how many of its rows have the same send, hour and outcome.
pub mod rollup;

// The rare rows of a file: those that bounced hard or unsubscribed, once more and together.
pub mod rare;

// Pages read straight from their bytes, where the parquet crate's readers cost more than the rows.
pub mod pages;

// Checksums of a file's pages: a changed byte is found when the page is read.
pub mod checksums;

// A file on its way to the store: row groups go out as they are complete, hashed, their pages summed.
pub(in crate::lake) mod sink;

// How a file's bytes are asked for: in few requests, and none is passed on unchecked.
pub mod reader;

// Footers, page indexes, dictionaries and rollups, kept in memory within a budget.
pub mod footers;

// An open file: whole rows or some columns, in file order, in lake types.
pub mod open;

// Searching the bytes of one object for texts, whatever encodes or compresses them.
pub mod search;
