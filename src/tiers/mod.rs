//! How two lakes make one table: the hot tier over the archive.

pub mod warehouse;

pub mod pin;

mod overlay;

mod room;

pub mod upsert;

pub mod carry;

pub mod mend;

pub mod namesakes;

pub mod unite;

pub mod links;

pub mod spans;

pub mod aliases;

pub mod suppressed;

pub mod lookups;

pub mod lease;

pub mod claim;

pub mod sends;

pub mod holds;
