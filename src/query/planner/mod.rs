//! The planner: how tables appear in a plan, and the shortcuts through them.
//!
//! Each shortcut gives the same answer as the plan it replaces, and can be switched off ([`shortcuts`]).

// The short ways, each of which may be switched off.
pub mod shortcuts;

// Whether a rollup has the exact value of an expression.
mod exactness;

// Which files hold rows that a statement wants, and whether these are few: the rollups know to the row.
mod selection;

// Archived rows whose key a late hot row has are not shown.
pub mod late;

// What SQL sees of a table: hot over archive, pinned when it is read.
pub mod provider;

// Questions over all people, answered from the rollups of files.
pub(super) mod rollups;

// The rules of a physical planner.
pub(super) mod rules;

// Filters are handed down by name only where a name says which column is meant.
pub(super) mod pushdown;

// Filters on a text, tested once for each different text of a batch.
pub(super) mod once;

// Joins make pauses, so that a statement can be stopped.
pub(super) mod yields;

// Ids of 15 characters, and texts beside a yes or no.
pub(super) mod literals;

// Moments in a zone, taken for what the clock on the wall shows.
pub(super) mod wall_clock;

// IN, ANY, ALL and EXISTS over nulls: what the standard says they mean.
pub(super) mod subqueries;

// A value of a statement without rows is null.
pub(super) mod empty_values;

// Grouping sets over columns that the statement fixes are refused.
pub(super) mod grouping_sets;

// An aggregate of all rows keeps conditions above it.
pub(super) mod one_row;

// Window functions over whole partitions, some partitions at a time.
pub(super) mod windows;

// Grouping by person without hashing every row.
pub mod runs;
