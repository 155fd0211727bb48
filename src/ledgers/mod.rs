//! The warehouse's own small tables and locks: what it knows of its work, beside the records.
//!
//! Nothing here decides which rows a table has; what does (aliases, what was erased) stands in [`crate::tiers`].
//!
//! # Decisions
//! - 2026-11-28 **Ledgers stand above the tiers, but aliases and the list of what was erased stay in them.** An upsert asks
//!   these two: they are rules of writing before they are tables.

// The lease: of all schedulers over a warehouse, one works.
pub mod lease;

// The ledger of runs: what each job did, when, for whom, and how it ended.
pub mod runs;

// The ledger of loads: what each file brought to each table.
pub mod coverage;

// What a record's send says of it, for rules and holds, which name records by their sends.
pub mod sends;

// Legal holds: what must not be removed, by whom it was said and why.
pub mod holds;

// Putting somebody on the list of what was erased.
pub mod erased;

// The log of look-ups: who asked for whose records, when, and why.
pub mod lookups;
