//! What a record is: its columns, its ids, its key, and which of two versions wins.
//!
//! Everything here is a pure function of its arguments; nothing reads a file, a clock or a setting.
//!
//! Decisions, with what was refused: `DECISIONS.md`, in this folder.

// The definition of every table and column, from which schemas, header names and encodings follow.
pub mod fields;

// Salesforce ids: their two forms, 15 and 18 characters, and their checksum.
pub mod id;

// Which ids are one person, from merges, conversions and declared aliases.
pub mod identity;

// The stamp of a version, which says which of two versions is newer.
pub mod stamp;

// The notes of a row: stamps of values from older versions, earlier values of formulas, former names.
pub mod kept;

// Normalises keys: no blanks around them, no fraction in numbers of Marketing Cloud.
pub mod spelling;

// The names of a record, and the rule which versions belong to one record.
pub mod names;

// Completes an export's columns to a whole row: computes the key and the derived columns.
pub mod key;

// Resolves many versions of a row into one, whatever the order in which they arrive (Rule 2).
pub mod resolve;

// The observed versions of an IER: which versions the engine saw, and when.
pub mod observed;

// Decides whether a text names a person, by an id or an address.
pub mod mention;

// Compares names and subjects as people do: without case, accents and punctuation.
pub mod text_match;

// Decides how an e-mail arrived, as far as its record shows.
pub mod outcome;
