//! What programs ask, below `/api/v1`.

// Statements, and those that run.
pub(in crate::serve) mod sql;

// The questions people bring.
pub(in crate::serve) mod questions;

// People: who they are, what they were sent, what is proved.
pub(in crate::serve) mod people;

// What there is to ask, and how the warehouse is.
pub(in crate::serve) mod catalog;

// Who looked up whom.
pub(in crate::serve) mod log;

// Whether the server is well, for those who watch it.
pub(in crate::serve) mod health;
