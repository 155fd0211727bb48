//! How two lakes make one table: the hot tier over the archive.
//!
//! - The archive's log has `ier.archived_until`, a day. Rows that were sent before it belong to the archive.
//! - A hot row is **late** if its day is before that boundary, or if it has a mark, `late_from`: a day under which the archive may
//!   still hold its key. The mark is set whenever a row leaves its day, even if the archive may not have it, because an archive run
//!   may be reading it at that moment. A mark too many costs a look-up; a mark too few would show a row twice.
//! - The SQL table is hot, plus the archive without the keys of late rows. Only the months with such keys are slower to read.
//! - A reader takes hot's snapshot first, then the archive's. It checks that hot is at least as new as the version that the archive
//!   was built from (`ier.hot_version`), and otherwise takes both again. So no row is missing, and none shows twice.
//! - A link is where its IER is: same person, same date, same tier. A link whose IER is not known waits in hot, in the partition
//!   without a date, and is looked up again after each load of IERs or links.
//!
//! Decisions, with what was refused: `DECISIONS.md`, in this folder.

// The list of what was erased, in memory: hashes, and which rows of a batch match one.
mod erased;

// A warehouse: opens its tables, which share one root and one clock.
pub mod warehouse;

// Pins both tiers at one moment, so that together they hold every row exactly once (Rule 7).
pub mod pin;

// Resolves loaded versions with the stored rows: which rows are written, which stay, which are late.
pub mod settle;

// The files that one upsert has replaced and added so far, over its snapshot.
mod overlay;

// How many rows of a load are worked on at once.
mod memory_budget;

// Finds the stored record of a version whose key differs from the record's key.
pub mod namesakes;

// Merges records that are stored under several keys into one.
pub mod unite;

// Upserts rows into a table: finds the stored row of every version, and changes them all in one commit.
pub mod upsert;

// The list of what was erased: rows that match it are refused for ever.
pub mod suppressed;

// The placements of IERs by their ids: where the links of each belong.
mod placements;

// Places links with their IERs: same person, same date, same tier.
pub mod links;

// A load of links: they wait for their IERs, take their places from them, and are written.
pub mod link_load;

// The ledger of aliases: which id became which.
pub mod aliases;

// Tables of people's attributes in time: each row holds within a span.
pub mod spans;

// Merges copies of a record that are stored under one key more than once.
pub mod mend;

// Keeps jobs that remove rows from both tiers apart from archive runs, by a claim on a version of hot.
pub mod claim;
