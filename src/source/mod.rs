//! Where records come from.

pub mod synthetic;
