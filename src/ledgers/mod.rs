//! The warehouse's own small tables and locks: what it records of its own work, beside the records.
//!
//! Nothing here decides which rows a table has. The two ledgers that do, aliases and the list of what was erased, are in
//! [`crate::tiers`].
//!
//! # Decisions
//! - 2026-11-28 **Ledgers stand above the tiers, but aliases and the list of what was erased stay in them.** An upsert asks
//!   these two: they are rules of writing before they are tables.

// The lease: of all schedulers of a warehouse, only its holder works.
pub mod lease;

// The ledger of runs: what each job did, when, for whom, and how it ended.
pub mod runs;

// The ledger of loads: how many rows each file brought to each table, and which days they cover.
pub mod coverage;

// What the send of a record says: business unit, e-mail name, job. Rules and holds select records by it.
pub mod sends;

// Legal holds: records that must not be removed, who said so and why.
pub mod holds;

// Adds entries to the list of what was erased.
pub mod erased;

// The log of look-ups: who asked for whose records, when, and why.
pub mod lookups;
