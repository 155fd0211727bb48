//! A question of the library: an SQL file whose head says what it answers, its parameters, and its columns.
//!
//! ```sql
//! -- Who opened, but did not click the link that matters?
//! --
//! -- Parameters:
//! --   about  text  Giving Day  words of the e-mail's name
//! --   from   date  1 year ago  sent on this day or later
//! -- Columns:
//! --   person_id  the person, by the id under which they are counted
//! SELECT …
//! ```
//!
//! The cells of a line are separated by two blanks or more. A parameter has a name (`$from` in the SQL), a type, a default (`-`: it
//! must be given; `any`: null) and a meaning. Its type may also be a choice of texts (`month|send|unit`), by which a column may be
//! named (`AS "$by"`), or a column (`affiliation.affiliation`), one of whose values it must be. With its defaults, the same file
//! runs wherever SQL does.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::calendar::days::{self, Today};
use crate::error::sql_errors::is_slip;
use crate::error::{Context, Error, Result};
use crate::record::id::SfId;

/// The questions that come with the engine: name and SQL, in the order in which they are listed.
const LIBRARY: &[(&str, &str)] = &[
    ("told", include_str!("../../sql/questions/told.sql")),
    ("audience_opens", include_str!("../../sql/questions/audience_opens.sql")),
    ("audience_engagement", include_str!("../../sql/questions/audience_engagement.sql")),
    ("opened_not_clicked", include_str!("../../sql/questions/opened_not_clicked.sql")),
    ("readers", include_str!("../../sql/questions/readers.sql")),
    ("policy_clicks", include_str!("../../sql/questions/policy_clicks.sql")),
    ("never_open", include_str!("../../sql/questions/never_open.sql")),
    ("reached_not_opened", include_str!("../../sql/questions/reached_not_opened.sql")),
    ("clicks_by_owner", include_str!("../../sql/questions/clicks_by_owner.sql")),
    ("link_clickers", include_str!("../../sql/questions/link_clickers.sql")),
    ("fatigue", include_str!("../../sql/questions/fatigue.sql")),
    ("rates", include_str!("../../sql/questions/rates.sql")),
    ("hard_bounced", include_str!("../../sql/questions/hard_bounced.sql")),
    ("time_to_open", include_str!("../../sql/questions/time_to_open.sql")),
    ("storage", include_str!("../../sql/questions/storage.sql")),
    ("audience", include_str!("../../sql/questions/audience.sql")),
    ("audience_among", include_str!("../../sql/questions/audience_among.sql")),
];

/// The type of a parameter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A day in people's zone: `2026-08-01`, `today`, `90 days ago`.
    Date,
    /// A Salesforce id, in either form.
    Id,
    /// Somebody: a contact's or lead's id, or an e-mail address that one person has.
    Person,
}

impl Type {
    const ALL: [(&'static str, Self, &'static str); 7] = [
        ("text", Self::Text, "a text"),
        ("integer", Self::Integer, "a whole number"),
        ("number", Self::Number, "a number"),
        ("boolean", Self::Boolean, "true or false"),
        ("date", Self::Date, days::RIGHT),
        ("id", Self::Id, "an id of 15 or 18 characters"),
        ("person", Self::Person, "a contact's or lead's id, or an e-mail address"),
    ];

    /// Its name in a head.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind, _)| *kind == self).map_or("", |(name, ..)| name)
    }

    /// A value in the one form it is bound in; none when the text is none.
    fn value(self, text: &str, today: Today) -> Option<String> {
        let text = text.trim();
        match self {
            Self::Text | Self::Person => Some(text.to_owned()),
            Self::Integer => text.parse::<i64>().ok().map(|number| number.to_string()),
            Self::Number => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| format!("{number:?}")),
            Self::Boolean => matches!(text, "true" | "false").then(|| text.to_owned()),
            Self::Date => today.day(text).map(|day| day.to_string()),
            Self::Id => SfId::parse(text).ok().map(|id| id.to_string()),
        }
    }
}

/// The default of a parameter.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Default {
    /// It must be given.
    Required,
    /// Null: no restriction.
    Any,
    /// This.
    Value(String),
}

/// A parameter of a question.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Parameter {
    /// `about`, for `$about`.
    pub name: String,
    /// What it is.
    pub kind: Type,
    /// The texts it may be; any where there are none.
    pub choices: Vec<String>,
    /// The table and the column whose values it may be, without regard to case and signs; any where there is none.
    pub values_of: Option<(String, String)>,
    /// The value where none is given.
    pub default: Default,
    /// In words.
    pub meaning: String,
}

/// A question.
#[derive(Clone, Debug, std::default::Default, Eq, PartialEq, Serialize)]
pub struct Question {
    /// As `ier ask` knows it; the file's name.
    pub name: String,
    /// The question, in a line.
    pub title: String,
    /// What else the head says before its parameters.
    pub notes: Vec<String>,
    /// In the order of the head.
    pub parameters: Vec<Parameter>,
    /// Names and meanings of the answer's columns.
    pub columns: Vec<(String, String)>,
    /// The columns a chart of it draws; all where none are named.
    pub chart: Vec<String>,
    /// The whole file.
    pub sql: String,
}

impl Question {
    /// Reads the comment a statement begins with. What has none has no parameters.
    ///
    /// # Errors
    /// Invalid where a line of the head cannot be read, with the line.
    pub fn head(sql: &str) -> Result<Self> {
        let mut question = Self { sql: sql.to_owned(), ..Self::default() };
        let lines = sql.lines().map(str::trim).skip_while(|line| line.is_empty()).map_while(|line| line.strip_prefix("--"));
        let mut part = "";
        for (at, line) in lines.enumerate() {
            let text = line.trim();
            match (text, part, cells(text).as_slice()) {
                ("Parameters:" | "Columns:" | "Chart:", ..) => part = text,
                (_, "", _) if at == 0 => question.title = text.to_owned(),
                (_, "", _) => question.notes.extend((!text.is_empty()).then(|| text.to_owned())),
                (_, "Parameters:", [name, kind, default, meaning @ ..]) => {
                    let choices: Vec<String> = kind.split('|').map(str::to_owned).collect();
                    let (kind, choices) = if choices.len() > 1 { ("text", choices) } else { (*kind, Vec::new()) };
                    let values_of = kind.split_once('.').filter(|(table, column)| is_name(table) && is_name(column));
                    let values_of = values_of.map(|(table, column)| (table.to_owned(), column.to_owned()));
                    let kind = if values_of.is_some() { "text" } else { kind };
                    let known = Type::ALL.iter().find(|(known, ..)| *known == kind);
                    let Some((_, kind, _)) = known.filter(|_| is_name(name)) else { return Err(unreadable(text)) };
                    let default = match *default {
                        "-" => Default::Required,
                        "any" => Default::Any,
                        value => Default::Value(value.to_owned()),
                    };
                    let (name, meaning) = ((*name).to_owned(), meaning.join(" "));
                    let parameter = Parameter { name, kind: *kind, choices, values_of, default, meaning };
                    question.parameters.push(parameter);
                }
                (_, "Columns:", [name, meaning @ ..]) => question.columns.push(((*name).to_owned(), meaning.join(" "))),
                (_, "Chart:", drawn) => question.chart.extend(drawn.iter().map(|name| (*name).to_owned())),
                ("", ..) => {}
                _ => return Err(unreadable(text)),
            }
        }
        Ok(question)
    }

    /// A question from a file of its name.
    fn named(name: &str, sql: &str) -> Result<Self> {
        let question = Self { name: name.to_owned(), ..Self::head(sql)? };
        if question.title.is_empty() {
            return Err(Error::invalid("it does not begin with a comment that says what it asks: -- Who opened?"));
        }
        Ok(question)
    }

    fn read(name: &str, path: &Path) -> Result<Self> {
        let sql = std::fs::read_to_string(path)?;
        Self::named(name, sql.trim_start_matches('\u{FEFF}'))
    }

    /// The file with these values as its defaults, to be asked so again.
    ///
    /// # Errors
    /// Invalid for a name that is none of the question's.
    pub fn with(&self, given: &BTreeMap<String, String>) -> Result<String> {
        given.keys().try_for_each(|name| self.parameter(name).map(drop))?;
        let odd =
            |value: &&String| value.trim() != value.as_str() || value.is_empty() || value.contains("  ") || value.contains('\n');
        if let Some(value) = given.values().find(odd) {
            return Err(Error::invalid(phrase!(
                "a head cannot hold \"{value}\" as a default: ask with it, or write it into the SQL"
            )));
        }
        let mut sql = String::with_capacity(self.sql.len());
        let mut part = "";
        for line in self.sql.lines() {
            let text = line.trim().trim_start_matches('-').trim();
            if matches!(text, "Parameters:" | "Columns:" | "Chart:") {
                part = text;
            }
            let cells = cells(text);
            let declared = (part == "Parameters:" && line.trim().starts_with("--")).then(|| given.get(*cells.first()?)).flatten();
            match (declared, cells.as_slice()) {
                (Some(value), [name, kind, _, meaning @ ..]) => {
                    sql.push_str(&format!("--   {name}  {kind}  {value}  {}", meaning.join(" ")));
                }
                _ => sql.push_str(line),
            }
            sql.push('\n');
        }
        Ok(sql)
    }

    /// Which columns of its answer a chart draws, by their places; `None` where all are, or the head names one that it does not have.
    pub fn charted(&self) -> Option<Vec<usize>> {
        let place = |name: &String| self.columns.iter().position(|(column, _)| column == name);
        let places: Option<Vec<usize>> = self.chart.iter().map(place).collect();
        places.filter(|places| !places.is_empty())
    }

    /// A column's name; of one that is named after what is chosen (`$by`), the choices.
    pub fn heading(&self, column: &str) -> String {
        let chosen = |parameter: &&Parameter| column.strip_prefix('$') == Some(parameter.name.as_str());
        self.parameters.iter().find(chosen).map_or_else(|| column.to_owned(), |parameter| parameter.choices.join("|"))
    }

    fn parameter(&self, name: &str) -> Result<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
            let right = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
            Error::invalid(phrase!("the statement has no parameter {name}: {right}"))
        })
    }

    /// The value of each parameter, in the form in which it is bound; null is none.
    ///
    /// # Errors
    /// Invalid for a name that is none of the question's, a value of the wrong type, and a value that is missing.
    pub fn values(&self, given: &BTreeMap<String, String>, today: Today) -> Result<Vec<(&Parameter, Option<String>)>> {
        given.keys().try_for_each(|name| self.parameter(name).map(drop))?;
        let value = |parameter: &Parameter| {
            let text = match (given.get(&parameter.name), &parameter.default) {
                (Some(text), Default::Any) if text == "any" => return Ok(None),
                (Some(text), _) => text,
                (None, Default::Value(text)) => text,
                (None, Default::Any) => return Ok(None),
                (None, Default::Required) => {
                    return Err(Error::invalid(phrase!("{} is missing: {}", parameter.name, parameter.meaning)));
                }
            };
            if !parameter.choices.is_empty() && !parameter.choices.contains(text) {
                let right = parameter.choices.join(", ");
                return Err(Error::invalid(phrase!("{} is \"{text}\"; give one of {right}", parameter.name)));
            }
            let right = Type::ALL.iter().find(|(_, kind, _)| *kind == parameter.kind).map_or("", |(.., right)| right);
            let value = parameter.kind.value(text, today);
            value.map(Some).ok_or_else(|| match (parameter.kind, SfId::parse(text)) {
                (Type::Id, Err(error)) => Error::invalid(phrase!("{}: {error}", parameter.name)),
                _ => Error::invalid(phrase!("{} is \"{text}\"; give {right}", parameter.name)),
            })
        };
        self.parameters.iter().map(|parameter| Ok((parameter, value(parameter)?))).collect()
    }
}

/// The cells of a line of a head: two blanks or more apart.
fn cells(text: &str) -> Vec<&str> {
    text.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn unreadable(line: &str) -> Error {
    let kinds: Vec<&str> = Type::ALL.iter().map(|(name, ..)| *name).collect();
    Error::invalid(phrase!(
        "the statement's head has the line \"{line}\"; a parameter is name, type ({}), default and meaning, two blanks apart",
        kinds.join(", ")
    ))
}

/// All questions: those of the engine, and then those of a folder (`*.sql`), which may replace them. A file that cannot be read, or
/// whose head cannot, is none: `refused` gets the reason, with its path.
///
/// # Errors
/// Not found when there is no such folder.
pub fn library(folder: Option<&Path>, mut refused: impl FnMut(Error)) -> Result<Vec<Question>> {
    let mut questions: Vec<Question> = LIBRARY
        .iter()
        .map(|(name, sql)| Question::named(name, sql).context(|| phrase!("question {name}")))
        .collect::<Result<_>>()?;
    let Some(folder) = folder else { return Ok(questions) };
    let reading = || format!("cannot read the folder of questions {}", folder.display());
    let mut paths = std::fs::read_dir(folder)
        .context(reading)?
        .map(|entry| Ok(entry.context(reading)?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "sql")) {
        let name = path.file_stem().and_then(|stem| stem.to_str()).ok_or_else(|| Error::invalid("its name is not UTF-8"));
        match name.and_then(|name| Question::read(name, path)).context(|| phrase!("{} is no question", path.display())) {
            Ok(question) => {
                questions.retain(|known| known.name != question.name);
                questions.push(question);
            }
            Err(error) => refused(error),
        }
    }
    Ok(questions)
}

/// The question of a name.
///
/// # Errors
/// Not found, with those that are alike.
pub fn find<'a>(questions: &'a [Question], name: &str) -> Result<&'a Question> {
    questions.iter().find(|question| question.name == name).ok_or_else(|| {
        let words: Vec<&str> = name.split(['_', '-', ' ']).filter(|word| word.len() > 2).collect();
        let alike: Vec<&str> = questions
            .iter()
            .map(|question| question.name.as_str())
            .filter(|known| is_slip(name, known) || words.iter().any(|word| known.contains(word)))
            .collect();
        let hint = if alike.is_empty() { "`ier ask` lists them".to_owned() } else { format!("perhaps {}", alike.join(" or ")) };
        Error::not_found(phrase!("there is no question {name:?}; {hint}"))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ASKED: &str = "-- Who opened?\n-- Counted once.\n--\n-- Parameters:\n--   about  text  -  words of the name\n\
        --   from   date  1 year ago  sent on this day or later\n--   unit   id    any  its unit\n--   n      integer  3  how often\n\
        -- Columns:\n--   person_id  who\nSELECT 1 -- not the head\n";

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn parsed(pairs: &[(&str, &str)]) -> Result<Vec<Option<String>>> {
        let question = Question::head(ASKED)?;
        let values =
            question.values(&given(pairs), Today { day: "2026-03-31".parse().unwrap(), zone: chrono_tz::Tz::America__Denver })?;
        Ok(values.into_iter().map(|(_, value)| value).collect())
    }

    #[test]
    fn a_head_says_what_is_asked_with_what_and_what_comes_out() {
        let question = Question::head(ASKED).unwrap();
        assert_eq!((question.title.as_str(), question.notes.as_slice()), ("Who opened?", &["Counted once.".to_owned()][..]));
        assert_eq!(question.parameters.len(), 4);
        assert_eq!(question.parameters[0].default, Default::Required);
        assert_eq!(question.columns, [("person_id".to_owned(), "who".to_owned())]);
        assert!(Question::head("SELECT 1").unwrap().parameters.is_empty());
        assert!(Question::head("-- hello\nSELECT 1").unwrap().parameters.is_empty());
    }

    #[test]
    fn values_are_given_or_default_and_of_their_type() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parsed(&[("about", "it's")]).unwrap(), [some("it's"), some("2025-03-31"), None, some("3")]);
        let all = parsed(&[("about", "x"), ("from", "1 month ago"), ("unit", "a01M00000062mPg"), ("n", " 7 ")]).unwrap();
        assert_eq!(all, [some("x"), some("2026-02-28"), some("a01M00000062mPgIAI"), some("7")]);
        assert_eq!(parsed(&[("about", "any"), ("unit", "any")]).unwrap()[..3], [some("any"), some("2025-03-31"), None]);
        for (pairs, part) in [
            (&[][..], "about is missing: words of the name"),
            (&[("about", "x"), ("n", "many")], "n is \"many\"; give a whole number"),
            (&[("about", "x"), ("from", "soon")], "from is \"soon\"; give a day"),
            (&[("about", "x"), ("unit", "a0sf4000007zk8KAA")], "17"),
            (&[("about", "x"), ("to", "today")], "has no parameter to: it has about, from, unit, n"),
        ] {
            let error = parsed(pairs).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_head_that_cannot_be_read_is_refused_with_its_line() {
        for line in ["about text", "About  text  -  words", "about  words  -  words", "about  text"] {
            let error = Question::head(&format!("-- Who?\n-- Parameters:\n--   {line}\nSELECT 1")).unwrap_err().to_string();
            assert!(error.contains(line), "{error}");
        }
    }

    #[test]
    fn every_question_of_the_library_is_whole() {
        let questions = library(None, drop).unwrap();
        assert_eq!(questions.len(), 17);
        for question in &questions {
            assert!(question.title.ends_with('?'), "{}", question.name);
            assert!(!question.columns.is_empty(), "{}", question.name);
            assert!(question.parameters.iter().all(|parameter| !parameter.meaning.is_empty()), "{}", question.name);
        }
        assert!(find(&questions, "never-opens").is_err_and(|error| error.to_string().contains("never_open")));
    }

    #[test]
    fn a_folder_adds_questions_and_replaces_them() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mine.sql"), "-- Mine?\nSELECT 1").unwrap();
        std::fs::write(folder.path().join("told.sql"), "-- Told, our way?\nSELECT 1").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "no question").unwrap();
        let questions = library(Some(folder.path()), drop).unwrap();
        assert_eq!(questions.len(), 18);
        assert_eq!(find(&questions, "told").unwrap().title, "Told, our way?");
        std::fs::write(folder.path().join("bare.sql"), "SELECT 1").unwrap();
        let mut refused = Vec::new();
        assert_eq!(library(Some(folder.path()), |error| refused.push(error.to_string())).unwrap().len(), 18);
        assert!(refused.len() == 1 && refused[0].contains("bare.sql"), "{refused:?}");
    }
}
