//! One Parquet file: its layout, its appendix, its checksums, and how its bytes are read.
//!
//! Nothing here knows which files a table has.

// The names of the tags that we add to a file's log entry.
pub mod tags;

// The layout of a file: encodings, pages, row groups.
pub mod layout;

// Rows in file order: sorting a batch, and merging sorted streams into one.
pub mod sort;

// The appendix of a file: its rollup and its rare rows, which other engines do not see.
pub mod appendix;

// The rollup of a file: how many of its rows share the same send, hour and outcome.
pub mod rollup;

// The rare rows of a file: a second copy of the rows that bounced hard or unsubscribed.
pub mod rare;

// A reader of single pages, for look-ups of a few people's rows.
pub mod pages;

// Checksums of a file's pages: a changed byte is found when the page is read.
pub mod checksums;

// Writes a file to the store while it is being made.
pub(in crate::lake) mod sink;

// Reads the bytes of data files: in few requests, and with every byte verified.
pub mod reader;

// A cache of footers, page indexes, dictionaries and rollups.
pub mod footers;

// An open file: reads all rows or some columns, in file order.
pub mod open;

// Searches the bytes of one object for texts, through its encodings and compression.
pub mod search;
