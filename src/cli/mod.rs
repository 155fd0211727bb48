//! The command line: arguments in, a report out, an exit code by the kind of error. One verb a file, no logic.
//!
//! Everything a verb needs (settings, clock, whether to speak JSON) is decided once, in [`Session`].

use clap::CommandFactory;

use crate::error::{Error, Result};

use args::{Args, Verb};

mod answer;

pub mod args;

mod completions;

pub mod interrupt;

pub mod print;

pub mod progress;

mod session;

pub mod shell;

pub mod sql;

mod statements;

pub use session::Session;

/// Does what the arguments say.
pub async fn run(args: Args, _session: Session) -> Result<()> {
    match args.verb {
        None => print::line(&Args::command().render_long_help().to_string()),
        Some(Verb::Completions(completions)) => completions::run(&completions),
        Some(_) => Err(Error::internal("this verb is not built in yet")),
    }
}
