//! The command line: arguments in, a report out, an exit code by the kind of error. One verb a file, no logic.
//!
//! Everything a verb needs (settings, clock, whether to speak JSON) is decided once, in [`Session`].

pub mod args;

mod completions;

mod interrupt;

pub mod print;

pub mod progress;

mod session;

pub mod shell;

pub use session::Session;
