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
//! A room uses only the rooms before it in this list. So only the command line uses all.
//!
//! # Decisions
//! - 2026-11-28 **What two files took from each other stands in a third.** No circle of imports is left to be kept in mind,
//!   and a test finds the next one. Names are re-exported only where they are the public face of a room (`output`,
//!   `record::fields`).
//! - 2026-11-28 **The order of `mod` lines is the order of floors**, in `lake/` and `query/`, in place of a list in the
//!   test: who adds a module says where it belongs, and the test holds them to it.

#[macro_use]
// Kinds of errors, their exit codes, and what to do about each.
pub mod error;

// The one place where time is read.
pub mod clock;

// Schedules such as `daily at 02:00`, and days and terms in the organisation's time zone.
pub mod calendar;

// What can be set, by file, environment and arguments, and the defaults.
pub mod settings;

// Formats numbers, sizes, durations and texts for people.
pub mod human;

// How jobs report their progress.
pub mod progress;

// What a record is: its columns, its ids, its key, and which of two versions wins.
pub mod record;

// Reads exports: recognises their tables, decodes values, rejects rows that cannot be read.
pub mod source;

// Invented exports, to try, test and measure with.
pub mod synthetic;

// One kind of table: sorted Parquet files and a Delta log.
pub mod lake;

// How two lakes make one table: hot over archive, and the rules by which rows are written.
pub mod tiers;

// The warehouse's own small tables and locks: holds, look-ups, sends, runs, coverage, the lease.
pub mod ledgers;

// Writes answers: tables, spreadsheets, files for machines, charts, lists of ids.
pub mod output;

// The engine: SQL over hot and archive as one table.
pub mod query;

// Audits: was this person sent this e-mail? With packs of evidence that others can check.
pub mod audit;

// The jobs, one verb a file: plan, then execute, then report.
pub mod jobs;

// The warehouse served to others: one process that stays, and answers whoever may ask.
pub mod serve;

// The manual, part of the program: one chapter for each kind of reader.
pub mod manual;

// The command line: arguments, help, the shell; one verb a file, no logic.
pub mod cli;
