//! One kind of table: sorted Parquet files and a Delta log.
//!
//! A [`log::table::LakeTable`] has a [`log::snapshot::Snapshot`] (which files are live), and changes only by a [`fold`] followed by one
//! [`log::commit`]. The lake knows columns, partitions and keys; it does not know hot from archive. Its floors know only those
//! before them.
//!
//! Decisions, with what was refused: `DECISIONS.md`, in this folder.

// Every path in the warehouse is built, and read back, here.
pub mod paths;

// The columns of a batch: those that SQL sees, that of the tier, and the null ones of a file older than they are.
pub mod columns;

// Doing independent pieces of work on all cores.
pub mod parallel;

// Bytes: a store chosen by URL, made durable on a local disk, counted.
pub mod store;

// One Parquet file: its layout, its checksums, what it carries beside its rows, how its bytes are read.
pub mod file;

// One Delta log: which files a table has, what proves that, and the one function that changes it.
pub mod log;

// A table's files, read: for folding and verifying as they are, for SQL in a plan.
pub mod read;

// Rows into files: the fold, the splice, and what waits for them.
pub mod fold;
