//! Arguments of `ier ask`: a question's name, and its parameters as flags.

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args as _, Command, FromArgMatches};
use std::collections::BTreeMap;

use super::audience::AudienceArgs;
use super::global::Global;
use super::output::Output;
use crate::error::{Error, Result};
use crate::query::question::{Default, Question};

/// Ask one of the questions people bring; without one, list them
///
/// A question is an SQL file with parameters: those that come with ier, and your own in the folder ask.folder names. Each has help
/// of its own: ier ask NAME --help.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier ask                                     all questions
  ier ask never_open --help                   one question, its parameters and columns
  ier ask never_open --at-least 20 --from '2 years ago' -o never.csv
  ier ask rates --by unit --json
  ier ask told --id 003f400000JJbuP --about 'open enrollment'
  ier ask audience --did opened --about 'giving day' --as audience --campaign 701f40000000001 -o members.csv
  ier ask readers --explain                   its SQL, to start your own from")]
pub struct Ask {
    /// The question's name, then its parameters and flags
    #[arg(value_name = "NAME --PARAMETER VALUE", trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<String>,
}

/// What stands behind a question's name beside its parameters.
#[derive(Debug, clap::Args)]
pub struct Flags {
    /// The flags every verb has.
    #[command(flatten)]
    pub global: Global,

    /// How and where the answer goes.
    #[command(flatten)]
    pub output: Output,

    /// How it goes back into Salesforce.
    #[command(flatten)]
    pub audience: AudienceArgs,

    /// Show the SQL with these parameters instead of asking
    #[arg(long)]
    pub explain: bool,

    /// Show times of a table in UTC
    #[arg(long)]
    pub utc: bool,

    /// Add the name and the address of each person that the answer lists, and a link to their record (setting ask.org_url)
    #[arg(long)]
    pub with_names: bool,

    /// Why you look, for the log of look-ups: for questions about one person
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// What was said behind a question's name.
pub enum QuestionArgs {
    /// Ask it so.
    Ask(Box<Flags>, BTreeMap<String, String>),
    /// Show this.
    Help(String),
}

/// Reads the words behind a question's name.
///
/// # Errors
/// Invalid for what is neither a parameter nor a flag, and for a question whose parameter has the name of a flag.
pub fn said(question: &Question, words: &[String]) -> Result<QuestionArgs> {
    let flags = Flags::augment_args(Command::new("flags"));
    let mut command = Command::new(format!("ier ask {}", question.name)).no_binary_name(true);
    let about = std::iter::once(&question.title).chain(&question.notes).map(String::as_str).collect::<Vec<_>>().join("\n");
    let width = question.columns.iter().map(|(name, _)| question.heading(name).len()).max().unwrap_or(0);
    let columns: Vec<String> =
        question.columns.iter().map(|(name, meaning)| format!("  {:width$}  {meaning}", question.heading(name))).collect();
    command = command.after_help(format!("Columns:\n{}", columns.join("\n")));
    for parameter in &question.parameters {
        let (name, long) = (parameter.name.clone(), parameter.name.replace('_', "-"));
        if flags.get_arguments().any(|arg| arg.get_long() == Some(&long)) {
            return Err(Error::invalid(phrase!(
                "the question {} has a parameter {name}, which is also a flag of ier ask; give it another name in its file",
                question.name
            )));
        }
        let default = match &parameter.default {
            Default::Required => String::new(),
            Default::Any => " [default: any]".to_owned(),
            Default::Value(value) => format!(" [default: {value}]"),
        };
        command = command.arg(
            Arg::new(name.clone())
                .long(long)
                .alias(name)
                .value_name(if parameter.choices.is_empty() {
                    parameter.kind.name().to_owned()
                } else {
                    parameter.choices.join("|")
                })
                .help(format!("{}{default}", parameter.meaning))
                .allow_hyphen_values(true)
                .help_heading("Parameters")
                .required(parameter.default == Default::Required),
        );
    }
    // The flags bring words of their own about themselves.
    let mut command = Flags::augment_args(command).about(about);
    let matches = match command.clone().try_get_matches_from(words) {
        Ok(matches) => matches,
        // In short: a question's own words come first, and the flags are those of every verb.
        Err(help) if help.kind() == ErrorKind::DisplayHelp => return Ok(QuestionArgs::Help(command.render_help().to_string())),
        Err(error) => return Err(Error::invalid(error.to_string().trim().trim_start_matches("error: ").to_owned())),
    };
    let given = question.parameters.iter().filter_map(|parameter| given(&matches, &parameter.name)).collect();
    let flags = Flags::from_arg_matches(&matches).map_err(|error| Error::internal(error.to_string()))?;
    Ok(QuestionArgs::Ask(Box::new(flags), given))
}

fn given(matches: &ArgMatches, name: &str) -> Option<(String, String)> {
    matches.get_one::<String>(name).map(|value| (name.to_owned(), value.clone()))
}

/// `name=value`
pub fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is no parameter; give NAME=VALUE, such as from=2026-01-01"))?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn question(parameter: &str) -> Question {
        let head = format!(
            "-- Who?\n-- Counted once.\n--\n-- Parameters:\n--   {parameter}  text  any  what\n-- Columns:\n--   n  how many\nSELECT 1"
        );
        Question { name: "mine".to_owned(), ..Question::head(&head).unwrap() }
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn parameters_and_flags_stand_side_by_side() {
        for text in ["--at-least 3 --json -o a.csv", "-o a.csv --at_least=3 --json"] {
            let QuestionArgs::Ask(flags, given) = said(&question("at_least"), &words(text)).unwrap() else { unreachable!() };
            assert_eq!(given, BTreeMap::from([("at_least".to_owned(), "3".to_owned())]));
            assert!(flags.global.json && flags.output.output.is_some());
        }
        let QuestionArgs::Ask(_, given) = said(&question("about"), &words("--about -5")).unwrap() else { unreachable!() };
        assert_eq!(given["about"], "-5", "a value may begin with a hyphen");
    }

    #[test]
    fn help_tells_the_question_its_parameters_and_columns() {
        let QuestionArgs::Help(help) = said(&question("about"), &words("--help")).unwrap() else { unreachable!() };
        for part in ["Who?", "Counted once.", "--about <text>", "[default: any]", "n  how many", "--explain"] {
            assert!(help.contains(part), "{part}: {help}");
        }
    }

    #[test]
    fn what_it_does_not_know_is_refused() {
        let error = |parameter: &str, text: &str| said(&question(parameter), &words(text)).err().unwrap().to_string();
        assert!(error("about", "--abuot x").contains("--abuot"));
        assert!(error("output", "").contains("also a flag"));
    }
}
