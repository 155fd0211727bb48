//! `ier`: a columnar analytics engine over archived e-mail engagement.
//!
//! **One record's life.** An export's line is read ([`source`]), its ids made canonical, its key found and its columns typed
//! ([`record`]). It is upserted into the hot tier: resolved with the version already there, wherever that is, and
//! written to the sorted file of its day by a fold and one commit ([`lake`], [`tiers`]). Later versions come and are folded
//! in the same way. When it is 90 days old, the archive job moves it to the file of its month, sets the boundary in the same
//! commit, reads back what it wrote, and only then lets hot forget it ([`jobs`]). A version that comes still later waits in
//! hot as a late row, overriding the archived one, until the next run folds it in. All the while one SQL table shows it
//! exactly once, with the same values ([`query`]).
//!
//! **Invariants.** Never two live rows of one key, over all partitions and both tiers. Which version wins does not depend
//! on the order of arrival. The archive commits before hot forgets. A reader pins hot before the archive. A table
//! changes by one function only. Nothing is dropped uncounted.
//!
//! A room knows those before it in this list only; the command line alone sees all.
//!
//! # Decisions
//! - 2026-11-28 **What two files took from each other stands in a third.** No circle of imports is left to be kept in mind,
//!   and a test finds the next one. Names that many use stay where they were by re-export only where a room's face is meant
//!   (`output`, `record::fields`).
//! - 2026-11-28 **The order of `mod` lines is the order of floors**, in `lake/` and `query/`, in place of a list in the
//!   test: who adds a module says where it belongs, and the test holds them to it.

#[macro_use]
// Kinds of errors, their exit codes, and what to do about each.
pub mod error;

// The one place where time is read.
pub mod clock;

// When something happens again and again, and the calendar people live by.
pub mod calendar;

// What can be set, by file, environment and arguments, and the defaults.
pub mod settings;

// Numbers, sizes and lengths of time as people read them.
pub mod human;

// How far a long job has come.
pub mod progress;

// What a record is: its columns, its ids, its key, and which of two versions wins.
pub mod record;

// Where records come from: exports read, recognised and decoded; what cannot be read is rejected.
pub mod source;

// Invented exports, to try, test and measure with.
pub mod synthetic;

// One kind of table: sorted Parquet files and a Delta log.
pub mod lake;

// How two lakes make one table: hot over archive, and the rules by which rows are written.
pub mod tiers;

// The warehouse's own small tables and locks: holds, look-ups, sends, runs, coverage, the lease.
pub mod ledgers;

// An answer written down: a table, a spreadsheet, files for machines, charts, lists of ids.
pub mod output;

// One door: SQL over hot and archive as one table.
pub mod query;

// What is proved to outsiders: who was told, and packs of evidence.
pub mod audit;

// What runs unattended, one verb a file: plan, then execute, then report.
pub mod jobs;

// The warehouse served to others: one process that stays, and answers whoever may ask.
pub mod serve;

// The manual: one chapter for one reader, part of the program.
pub mod manual;

// The command line: words, help, the shell; one verb a file, no logic.
pub mod cli;
