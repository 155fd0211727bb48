//! What programs ask, below `/api/v1`.

// Statements, and those that run.
pub(crate) mod sql;

// The questions people bring.
pub(crate) mod questions;

// People: who they are, what they were sent, what is proved.
pub(crate) mod people;

// What there is to ask, and how the warehouse is.
pub(crate) mod catalog;

// Who looked up whom.
pub(crate) mod log;

// Whether the server is well, for those who watch it.
pub(crate) mod health;
