//! Tables in Markdown about the program itself: settings, exit codes, functions, views, questions. Each is made from the one place
//! in the code where the fact stands.

use crate::error::{Error, Kind, Result};
use crate::query::catalog::VIEWS;
use crate::query::files;
use crate::query::functions::{self, MACROS};
use crate::query::question::{self, Default, Parameter, Question};
use crate::record::fields::{TABLES, Table};
use crate::settings::Settings;

/// The text that stands in place of `<!-- what -->`.
///
/// # Errors
/// Internal for what the program does not tell.
pub fn about(what: &str) -> Result<String> {
    Ok(match what {
        "settings" => format!("```toml\n{}```", Settings::template()),
        "exit codes" => exit_codes(),
        "tables" => tables(),
        "views" => views(),
        "functions" => functions(),
        "measures" => format!("```sql\n{}```", MACROS),
        "questions" => question::library(None, drop)?.iter().map(question).collect(),
        "list of questions" => list_of_questions(&question::library(None, drop)?),
        _ => return Err(Error::internal(phrase!("a chapter of the manual asks for {what}"))),
    })
}

/// A table of Markdown. A bar in a cell would end it.
fn table(headers: [&str; 2], rows: impl Iterator<Item = (String, String)>) -> String {
    let mut text = format!("| {} | {} |\n|---|---|", headers[0], headers[1]);
    for (first, second) in rows {
        text.push_str(&format!("\n| {} | {} |", first.replace('|', "\\|"), second.replace('|', "\\|")));
    }
    text
}

fn exit_codes() -> String {
    let kinds = Kind::TABLE.iter().map(|(_, name, code, remedy)| (format!("{code}, {name}"), (*remedy).to_owned()));
    table(["code", "what to do"], std::iter::once(("0, done".to_owned(), "nothing".to_owned())).chain(kinds))
}

fn tables() -> String {
    let ours = TABLES.iter().map(|table| (names(table), columns(table)));
    let of_logs = (format!("`{}`", files::NAME), columns_of(files::schema().fields().iter().map(|field| field.name().as_str())));
    table(["table", "columns"], ours.chain([of_logs]))
}

fn names(table: &Table) -> String {
    table.short.map_or_else(|| format!("`{}`", table.name), |short| format!("`{short}`, `{}`", table.name))
}

fn columns(table: &Table) -> String {
    columns_of(table.visible().map(|field| field.name.as_ref()))
}

fn columns_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ")
}

/// Views, each with the comment its file begins with.
fn views() -> String {
    table(
        ["view", "what it shows"],
        VIEWS.iter().map(|(name, sql)| (format!("`{name}`"), head(sql).replace(&format!("{name}: "), ""))),
    )
}

fn head(sql: &str) -> String {
    sql.lines()
        .map_while(|line| line.strip_prefix("--"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn functions() -> String {
    table(["function", "answers"], functions::OURS.iter().map(|(call, meaning)| (format!("`{call}`"), (*meaning).to_owned())))
}

fn list_of_questions(questions: &[Question]) -> String {
    table(["`ier ask`", "answers"], questions.iter().map(|question| (format!("`{}`", question.name), question.title.clone())))
}

fn question(question: &Question) -> String {
    let mut text = format!("### {}\n\n{}\n", question.name, question.title);
    question.notes.iter().for_each(|note| text.push_str(&format!("{note}\n")));
    text.push('\n');
    text.push_str(&table(["parameter", "meaning"], question.parameters.iter().map(parameter)));
    text.push_str("\n\n");
    text.push_str(&table(
        ["column", "meaning"],
        question.columns.iter().map(|(name, meaning)| (format!("`{name}`"), meaning.clone())),
    ));
    text.push_str("\n\n");
    text
}

fn parameter(parameter: &Parameter) -> (String, String) {
    let default = match &parameter.default {
        Default::Required => "required".to_owned(),
        Default::Any => "default: any".to_owned(),
        Default::Value(value) => format!("default: {value}"),
    };
    let right = if parameter.choices.is_empty() { parameter.kind.name().to_owned() } else { parameter.choices.join(", ") };
    (format!("`--{}`", parameter.name.replace('_', "-")), format!("{}: {right} ({default})", parameter.meaning))
}
