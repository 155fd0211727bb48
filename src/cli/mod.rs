//! The command line: arguments in, a report out, an exit code by the kind of error. One verb a file, no logic.
//!
//! Everything a verb needs (settings, clock, whether to speak JSON) is decided once, in [`Session`].

mod alias;

mod answer;

mod archive;

mod ask;

mod audit;

mod compact;

mod demo;

mod erase;

mod generate;

mod history;

mod hold;

mod inspect;

mod load;

mod log;

mod open;

mod reconcile;

mod release;

mod retain;

mod run;

mod scheduler;

mod status;

mod traces;

mod vacuum;

mod verify;

mod who;

pub mod args;

mod completions;

pub mod interrupt;

pub mod print;

pub mod progress;

mod session;

pub mod shell;

pub mod sql;

mod statements;

pub use run::start;

pub use session::Session;
