//! Completes words with Tab: the shell's commands, tables, columns, functions, and the words of SQL.

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

/// Words of SQL that are worth a Tab.
const KEYWORDS: [&str; 54] = [
    "ALL",
    "AND",
    "ANTI",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COUNT",
    "CROSS",
    "CURRENT_DATE",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "FALSE",
    "FILTER",
    "FIRST",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "IS",
    "JOIN",
    "LAST",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "NULLS",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "RIGHT",
    "SELECT",
    "THEN",
    "UNION",
    "USING",
    "WHEN",
    "WHERE",
];

/// Commands, as they are typed.
const COMMANDS: [&str; 19] = [
    "\\?", "\\d", "\\df", "\\dt", "\\dv", "\\e", "\\echo", "\\format", "\\g", "\\gx", "\\i", "\\l", "\\o", "\\p", "\\pager",
    "\\q", "\\r", "\\timing", "\\x",
];

/// Words after which a table's name comes.
const BEFORE_TABLES: [&str; 6] = ["from", "join", "describe", "\\d", "\\dt", "\\dv"];

/// The words that Tab completes.
#[derive(Clone, Debug, Default)]
pub struct CompletionWords {
    /// Tables and views, with their columns.
    pub tables: Vec<(String, Vec<String>)>,
    /// Functions and measures.
    pub functions: Vec<String>,
}

impl CompletionWords {
    /// Where the word that ends at the cursor begins, and what it may become.
    fn candidates(&self, line: &str, cursor: usize) -> (usize, Vec<String>) {
        let before = line.get(..cursor).unwrap_or(line);
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let start = before.rfind(|c| !is_word(c)).map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let typed = &before[start..];
        if before[..start].ends_with('\\') && before[..start - 1].trim().is_empty() {
            let typed = &before[start - 1..];
            return (start - 1, COMMANDS.iter().filter(|word| word.starts_with(typed)).map(|word| (*word).to_owned()).collect());
        }
        let begins = |word: &str| {
            word.len() >= typed.len() && word.is_char_boundary(typed.len()) && word[..typed.len()].eq_ignore_ascii_case(typed)
        };
        let tables = || self.tables.iter().map(|(name, _)| name.clone()).filter(|name| begins(name));
        let sorted = |mut found: Vec<String>| {
            found.sort();
            found.dedup();
            (start, found)
        };
        if let Some(qualifier) = before[..start].strip_suffix('.') {
            let qualifier = &qualifier[qualifier.rfind(|c| !is_word(c)).map_or(0, |at| at + 1)..];
            return sorted(self.columns_of(self.table_called(line, qualifier)).filter(|name| begins(name)).collect());
        }
        let previous = before[..start].split_whitespace().next_back().unwrap_or_default().to_lowercase();
        if BEFORE_TABLES.contains(&previous.as_str()) {
            return sorted(tables().collect());
        }
        if typed.is_empty() {
            return (start, Vec::new());
        }
        let named: Vec<&str> =
            line.split(|c| !is_word(c)).filter(|word| self.tables.iter().any(|(name, _)| name == word)).collect();
        let columns = self.columns_of(|table| named.is_empty() || named.contains(&table));
        let is_lower = typed.chars().any(char::is_lowercase);
        let keywords = KEYWORDS.iter().map(|word| if is_lower { word.to_lowercase() } else { (*word).to_owned() });
        let functions = self.functions.iter().cloned();
        sorted(columns.chain(keywords).chain(functions).filter(|word| begins(word)).chain(tables()).collect())
    }

    fn columns_of(&self, is_meant: impl Fn(&str) -> bool) -> impl Iterator<Item = String> {
        let meant = self.tables.iter().filter(move |(name, _)| is_meant(name));
        meant.flat_map(|(_, columns)| columns.iter().cloned()).collect::<Vec<_>>().into_iter()
    }

    /// Is a table the one that a statement calls so: by its name, or by an alias behind it?
    fn table_called<'a>(&self, line: &str, qualifier: &'a str) -> impl Fn(&str) -> bool + use<'a> {
        let words: Vec<&str> = line.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect();
        let mut aliased = Vec::new();
        for (at, word) in words.iter().enumerate() {
            let alias = match words.get(at + 1) {
                Some(next) if next.eq_ignore_ascii_case("as") => words.get(at + 2),
                next => next,
            };
            if alias.is_some_and(|alias| *alias == qualifier) && self.tables.iter().any(|(name, _)| name == word) {
                aliased.push((*word).to_owned());
            }
        }
        move |table| table == qualifier || aliased.iter().any(|name| name == table)
    }
}

impl Completer for CompletionWords {
    type Candidate = String;

    fn complete(&self, line: &str, cursor: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.candidates(line, cursor))
    }
}

impl Hinter for CompletionWords {
    type Hint = String;
}

impl Highlighter for CompletionWords {}
impl Validator for CompletionWords {}
impl Helper for CompletionWords {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tab_knows_what_may_come_next() {
        let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let words = CompletionWords {
            tables: vec![
                ("ier".into(), columns(&["ier_id", "opened", "date_opened"])),
                ("individual_link".into(), columns(&["link_name"])),
            ],
            functions: columns(&["open_rate"]),
        };
        let of = |line: &str| words.candidates(line, line.len());
        assert_eq!(of("SELECT count(*) FROM i"), (21, columns(&["ier", "individual_link"])));
        assert_eq!(of("SELECT * FROM "), (14, columns(&["ier", "individual_link"])));
        assert_eq!(of("SELECT * FROM ier WHERE op").1, columns(&["open_rate", "opened"]));
        assert_eq!(of("SELECT * FROM ier AS e WHERE e.d").1, columns(&["date_opened"]));
        assert_eq!(of("sel").1, columns(&["select"]));
        assert_eq!(of("SEL").1, columns(&["SELECT"]));
        assert_eq!(of("\\d ie"), (3, columns(&["ier"])));
        assert_eq!(of("\\ti"), (0, columns(&["\\timing"])));
        assert_eq!(of("SELECT 'é"), (8, Vec::new()));
    }
}
