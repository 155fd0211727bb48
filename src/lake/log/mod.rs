//! One Delta log: which files a table has, what proves that, and the one function that changes it.

// Seals: the hash that a sealed object carries in itself, and where it belongs.
pub mod seal;

// The marker: by which a warehouse knows that it is one, in which format, and which one.
pub mod marker;

// Who wrote a log entry of another engine.
mod authorship;

// A store that seals a table's log as it is written, and checks it as it is read.
mod sealed;

// The store of a warehouse, and what all of its tables share: the marker, and the footers kept in memory.
pub mod root;

// Which files are live at one version of a table, and what the log knows about each.
pub mod snapshot;

// A table of the lake: where it stands, what columns it has, and its newest snapshot.
pub mod table;

// How many rows a table ever took in and gave up for good, by month.
pub mod tally;

// Checks before a commit that the files it adds exist.
mod existence;

// Entries and checkpoints that no reader needs go when they are thirty days old.
mod cleanup;

// The one function that changes a table (Rule 10).
pub mod commit;

// A table's log, looked at from end to end: is each of its objects as it was written, and is none missing?
pub mod logs;

// Sweeping files that no snapshot needs any more: replaced ones past their retention, and what lost commits left behind.
pub mod vacuum;

// What a table once held and was made to forget goes from the store as well.
pub mod purge;

// What other engines wrote into a table's log, and the way back.
pub mod foreign;
