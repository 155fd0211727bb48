//! The planner: how tables appear in a plan, and the shortcuts through them.
//!
//! Each shortcut gives the same answer as the plan it replaces, and can be switched off ([`shortcuts`]).

// The list of the planner's shortcuts, each of which can be switched off.
pub mod shortcuts;

// Decides whether an expression can be computed from a row of a rollup.
mod exactness;

// Selects the files that hold rows a statement wants, by counting these rows in the rollups.
mod selection;

// The filter that hides archived rows which a late row in hot overrides.
pub mod late;

// The table providers: hot and archive as one table.
pub mod provider;

// Answers questions over all people from the rollups of files.
pub(super) mod rollups;

// The type of the physical planner's list of rules.
pub(super) mod rules;

// Allows filters to be pushed down by column name only where the name is unique.
pub(super) mod pushdown;

// Evaluates a filter on a text column once for each distinct value of a batch.
pub(super) mod once;

// Makes joins yield to the scheduler, so that a statement can be stopped.
pub(super) mod yields;

// Interprets literals by the column they are compared with: short ids, texts beside a boolean.
pub(super) mod literals;

// Converts a moment to a zone's wall clock before its zone is dropped.
pub(super) mod wall_clock;

// Rewrites IN, ANY, ALL and EXISTS with subqueries, so that nulls count as the standard says.
pub(super) mod subqueries;

// Lets the value of a subquery be null, because it may have no row.
pub(super) mod empty_values;

// Refuses grouping sets over columns that the statement fixes to one value.
pub(super) mod grouping_sets;

// Keeps conditions above an aggregate of all rows.
pub(super) mod one_row;

// Computes window functions over whole partitions for some partitions at a time.
pub(super) mod windows;

// Groups by person without hashing every row.
pub mod runs;
