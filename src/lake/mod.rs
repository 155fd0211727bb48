//! One kind of table: sorted Parquet files and a Delta log.
//!
//! A [`log::table::LakeTable`] has a [`log::snapshot::Snapshot`] (which files are live), and changes only by a [`fold`] followed by one
//! [`log::commit`]. The lake knows columns, partitions and keys; it does not know hot from archive. Its floors know only those
//! before them.
//!
//! Decisions, with what was refused: `DECISIONS.md`, in this folder.

// Builds and parses every path in the warehouse.
pub mod paths;

// Builds batches with the columns a reader expects: SQL's columns, the tier, and nulls for columns newer than the file.
pub mod columns;

// Runs independent pieces of work on all cores.
pub mod parallel;

// Where the bytes are: a store chosen by URL, made durable on a local disk, counted.
pub mod store;

// One Parquet file: its layout, its appendix, its checksums, and how its bytes are read.
pub mod file;

// One Delta log: which files a table has, what proves that, and the one function that changes it.
pub mod log;

// Reads a table's files: as they are for folds and verification, in a plan for SQL.
pub mod read;

// The fold and the splice: the only ways in which rows of a partition change.
pub mod fold;
