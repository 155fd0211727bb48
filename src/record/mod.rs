//! What a record is: its columns, its ids, its key, and which of two versions wins.
//!
//! Everything here is a pure function of its arguments; nothing reads a file, a clock or a setting.

pub mod fields;

pub mod id;

pub mod identity;

pub mod connectors;

pub mod spelling;

pub mod names;

pub mod key;

pub mod resolve;

pub mod observed;

pub mod mention;

pub mod words;
