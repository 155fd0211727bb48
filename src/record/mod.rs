//! What a record is: its columns, its ids, its key, and which of two versions wins.
//!
//! Everything here is a pure function of its arguments; nothing reads a file, a clock or a setting.

// The one table of columns: every table of the warehouse, its columns, and all that follows from them.
pub mod fields;

// Salesforce ids, in one form.
pub mod id;

// Who is one person: which id became which.
pub mod identity;

// What a row says of the columns that its newest version did not provide.
mod kept;

// The one row a version belongs to (Rule 1).
pub mod key;

// Which version wins (Rule 2): many versions of a row become one, whatever the order in which they arrive.
pub mod resolve;

// The way back to the versions that were seen before.
pub mod observed;

// Ids that texts mention.
pub mod mention;

// Words of names, as they are compared.
pub mod words;
