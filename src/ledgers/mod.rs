//! The warehouse's own small tables and locks: what it knows of its work, beside the records.
//!
//! Nothing here decides which rows a table has; what does (aliases, what was erased) stands in [`crate::tiers`].

// Who works: one scheduler at a time.
pub mod lease;

// The runs of jobs: when, by whom, and what they came to.
pub mod runs;

// Which files were loaded, and what they hold.
pub mod coverage;

// Sends by name, number or id, as people name them.
pub mod sends;

// Legal holds: what must not be removed.
pub mod holds;

// Putting somebody on the list of what was erased.
pub mod erased;

// The log of look-ups: who asked for whom.
pub mod lookups;
