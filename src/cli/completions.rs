//! `ier completions`: prints the script by which a shell completes `ier`'s commands.

use clap::CommandFactory;
use clap::builder::PossibleValuesParser;

use crate::error::Result;
use crate::query::question;

use super::args::{Args, Completions};
use super::print;

/// Prints the script. It knows the questions that come with the program, too.
pub fn run(args: &Completions) -> Result<()> {
    let names: Vec<String> = question::library(None, drop)?.into_iter().map(|question| question.name).collect();
    let asks = |ask: clap::Command| ask.mut_arg("words", |words| words.value_parser(PossibleValuesParser::new(names)));
    let mut command = Args::command().mut_subcommand("ask", asks);
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "ier", &mut script);
    print::machine(&String::from_utf8_lossy(&script))
}
