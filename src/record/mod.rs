//! What a record is: its columns, its ids, its key, and which of two versions wins.
//!
//! Everything here is a pure function of its arguments; nothing reads a file, a clock or a setting.
//!
//! Decisions, with what was refused: `DECISIONS.md`, in this folder.

// The one table of columns: every table of the warehouse, its columns, and all that follows from them.
pub mod fields;

// Salesforce ids, in one form.
pub mod id;

// Who is one person: which id became which.
pub mod identity;

// What proves the age of a version.
pub mod stamp;

// What a row says of the columns that its newest version did not provide, of formulas' values and of names it had.
pub mod kept;

// One spelling of what records are known by.
pub mod spelling;

// By which names a record is known, and when two rows are one.
pub mod names;

// From an export's columns to a whole row: the key (Rule 1), and what is computed rather than told.
pub mod key;

// Which version wins (Rule 2): many versions of a row become one, whatever the order in which they arrive.
pub mod resolve;

// Which versions of an IER the engine saw, and when.
pub mod observed;

// Does a text name somebody?
pub mod mention;

// Compares names and subjects as people do: without case, accents and punctuation.
pub mod text_match;

// How a mail arrived, as far as its record tells.
pub mod outcome;
