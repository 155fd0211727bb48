//! One door: SQL over hot and archive as one table.

pub mod ask;

pub mod engine;

pub mod catalog;

pub mod provider;

pub mod late;

pub mod as_of;

mod versions;

pub mod shortcuts;

mod rollups;

mod selection;

mod pushdown;

mod once;

mod distinct;

mod memory;

mod windows;

pub mod functions;

pub mod local_time;

mod macros;

pub mod question;

mod statement;

pub mod runs;

mod files;

pub mod identity;

pub mod who;

pub mod limits;

mod workers;

mod markup;

pub mod output;

pub mod audience;

pub mod audit;

pub mod evidence;
