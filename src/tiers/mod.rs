//! How two lakes make one table: the hot tier over the archive.
//!
//! - The archive's log carries `ier.archived_until`, a day. Rows sent before it belong to the archive.
//! - A hot row is **late** when its day is before the boundary, or when it carries a mark, `late_from`: the day under which
//!   the archive may still hold its key. The mark is set whenever a row leaves its day, even if the archive may not have
//!   it: a run may be reading it there at that very moment. A mark too many costs a look; one too few would show a row
//!   twice.
//! - The SQL table is hot, plus the archive without the keys of late rows. Only months that late rows touch pay for that.
//! - A reader takes hot's snapshot first, then the archive's, and checks that hot is at least as new as what the archive
//!   was built from (`ier.hot_version`); else it looks again. So no row falls between or shows twice.
//! - Links live where their IER lives: same person, same date, same tier. A link whose IER is not known waits in hot, in
//!   the partition without date, and is looked up again after each load of IERs or links.
//!
//! Decisions, with what was refused: `DECISIONS.md`, in this folder.

// What was erased, as hashes under a key: which rows of a batch name somebody on the list.
mod erased;

// A warehouse: all tables under one root, and the clock its jobs go by.
pub mod warehouse;

// Pinning both tiers at one moment (Rule 7).
pub mod pin;

// Settles incoming versions against the stored rows.
pub mod settle;

// What one upsert has changed so far, over the snapshot it was begun on.
mod overlay;

// How many rows of a load are worked on at once.
mod memory_budget;

// Finding the record of a version that comes under another key than the record has.
pub mod namesakes;

// Records that are one, stored under several keys, made one.
pub mod unite;

// Loading rows into a table: every version finds its row, and one commit changes them all.
pub mod upsert;

// The list of what was erased: such rows are refused for ever.
pub mod suppressed;

// The homes of IERs by their ids: where the links of each belong.
mod homes;

// Links live where their IER lives: same person, same date, same tier.
pub mod links;

// A load of links: they wait for their IERs, and are placed where those are.
pub mod link_load;

// The ledger of aliases: which id became which.
pub mod aliases;

// Tables of people's attributes in time: each row holds from a moment to another, and what a load says begins and ends spans.
pub mod spans;

// A record that is stored more than once comes out once.
pub mod mend;

// Removing rows from both tiers while an archive run may be moving them: who may touch what, and when.
pub mod claim;
