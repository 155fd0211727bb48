//! One Delta log: which files a table has, what proves that, and the one function that changes it.

// Seals: the hash that an object carries in itself, and where it belongs.
pub mod seal;

// The marker of a warehouse: its format and its id.
pub mod marker;

// Tells whether another engine wrote a log entry, and which one.
mod authorship;

// A store wrapper that seals a table's log when it is written, and checks it when it is read.
mod sealed;

// The store of a warehouse, and what its tables share: the marker, and a cache of footers.
pub mod root;

// A snapshot: which files are live at one version of a table, and what the log knows about each.
pub mod snapshot;

// A table of the lake: its folder, its columns, and its newest snapshot.
pub mod table;

// The tally of a table: how many rows it ever took in and gave up for good, by month.
pub mod tally;

// Checks before a commit that the files it adds exist.
mod existence;

// Deletes log entries and checkpoints that no reader needs, when they are thirty days old.
mod cleanup;

// Commits a change to a table. No other function changes one (Rule 10).
pub mod commit;

// Checks a table's log from end to end.
pub mod logs;

// Deletes files that no snapshot needs any more.
pub mod vacuum;

// The purge: deletes from the store what a table held and was made to forget.
pub mod purge;

// Finds what other engines wrote into a table's log, and takes it back.
pub mod foreign;
