//! `ier completions`: the script that completes `ier`'s words in a shell.

use clap::CommandFactory;

use crate::error::Result;

use super::args::{Args, Completions};
use super::print;

/// Prints the script.
pub fn run(args: &Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "ier", &mut script);
    print::machine(&String::from_utf8_lossy(&script))
}
