//! Decides by the first words of a statement what it is: a command about the session, or else a question about data.

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::copy::{self, CopyForm};
use super::failure::Failure;
use super::pieces::{Piece, Words, at};
use super::reads::question;
use crate::query::parsed::Parsed;

/// A statement, understood.
pub(super) enum Command {
    /// A question, with so many parameters.
    Ask(Parsed, usize),
    Copy(Parsed, CopyForm),
    Begin(&'static str),
    Commit,
    Rollback,
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    /// Sets something, or (`None`) takes it back.
    Set {
        name: String,
        value: Option<String>,
        is_local: bool,
    },
    ResetAll,
    Show(String),
    ShowAll,
    Discard(&'static str),
    /// Forgets a prepared statement, or all of them.
    Deallocate(Option<String>),
    Prepare(String, Parsed, usize),
    Execute(String, Vec<Option<String>>),
    /// A cursor for a question, with so many parameters.
    Declare {
        name: String,
        hold: bool,
        is_binary: bool,
        query: Parsed,
        parameters: usize,
    },
    Fetch {
        name: String,
        rows: Rows,
        moves: bool,
    },
    /// Closes a cursor, or all of them.
    Close(Option<String>),
    /// What makes no difference here.
    Nothing(&'static str),
}

/// How many rows of a cursor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rows {
    All,
    Some(usize),
}

/// Statements that change something.
const WRITES: &[&str] = &[
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "CREATE",
    "DROP",
    "ALTER",
    "TRUNCATE",
    "GRANT",
    "REVOKE",
    "COMMENT",
    "VACUUM",
    "ANALYZE",
    "CLUSTER",
    "REINDEX",
    "REFRESH",
    "IMPORT",
    "CALL",
    "DO",
    "LOCK",
    "REASSIGN",
    "SECURITY",
    "NOTIFY",
    "CHECKPOINT",
    "LOAD",
    "REPLACE",
    "UPSERT",
    "ATTACH",
    "DETACH",
    "INSTALL",
    "USE",
    "EXPORT",
    "KILL",
    "OPTIMIZE",
    "MSCK",
    "CACHE",
    "UNCACHE",
    "UNLOAD",
];

/// What a listing of the engine's own shows, rather than a setting.
const LISTINGS: &[&str] = &["TABLES", "COLUMNS", "FUNCTIONS", "CREATE"];

/// Understands a statement.
///
/// # Errors
/// 42601 for what is none, 25006 for what would change something, 0A000 for what Postgres has and this server has not.
pub(super) fn read(piece: &Piece<'_>) -> Result<Command, Failure> {
    let mut words = piece.words();
    let Some(Token::Word(first)) = words.next() else { return ask(piece) };
    let first = if first.quote_style.is_none() { first.value.to_ascii_uppercase() } else { String::new() };
    let words = &mut words;
    let command = match first.as_str() {
        "BEGIN" => rest(words, Command::Begin("BEGIN")),
        "START" if words.takes("TRANSACTION") => rest(words, Command::Begin("START TRANSACTION")),
        "COMMIT" | "END" => chained(words, Command::Commit)?,
        "ROLLBACK" | "ABORT" => {
            words.takes_any(&["WORK", "TRANSACTION"]);
            if words.takes("TO") {
                words.takes("SAVEPOINT");
                Command::RollbackTo(words.name()?)
            } else {
                chained(words, Command::Rollback)?
            }
        }
        "SAVEPOINT" => Command::Savepoint(words.name()?),
        "RELEASE" => {
            words.takes("SAVEPOINT");
            Command::Release(words.name()?)
        }
        "SET" => set(words)?,
        "RESET" => match words.takes("ALL") {
            true => Command::ResetAll,
            false => Command::Set { name: setting(words)?, value: None, is_local: false },
        },
        "SHOW" if !LISTINGS.iter().any(|listing| words.clone().takes(listing)) => show(words)?,
        "DISCARD" => Command::Discard(discard(words)?),
        "DEALLOCATE" => {
            words.takes("PREPARE");
            Command::Deallocate(if words.takes("ALL") { None } else { Some(words.name()?) })
        }
        "PREPARE" => return prepare(words, piece),
        "EXECUTE" => execute(words)?,
        "DECLARE" => return declare(words, piece),
        "FETCH" => fetch(words, false)?,
        "MOVE" => fetch(words, true)?,
        "CLOSE" => Command::Close(if words.takes("ALL") { None } else { Some(words.name()?) }),
        "COPY" => return copy::read(words.clone()).map(|(parsed, form)| Command::Copy(parsed, form)),
        "UNLISTEN" => rest(words, Command::Nothing("UNLISTEN")),
        "LISTEN" => return Err(Failure::unsupported("LISTEN is not possible here: nothing is ever notified")),
        verb => match WRITES.iter().find(|write| **write == verb) {
            Some(verb) => return Err(Failure::read_only(verb)),
            None => return ask(piece),
        },
    };
    words.ends().map(|()| command)
}

fn ask(piece: &Piece<'_>) -> Result<Command, Failure> {
    let parsed = Parsed::read(piece.tokens.clone(), piece.text)?;
    question(parsed.statement())?;
    Ok(Command::Ask(parsed, piece.parameters()))
}

/// What comes behind the first words makes no difference.
fn rest(words: &mut Words<'_>, command: Command) -> Command {
    while words.next().is_some() {}
    command
}

fn chained(words: &mut Words<'_>, command: Command) -> Result<Command, Failure> {
    words.takes_any(&["WORK", "TRANSACTION"]);
    if words.takes("PREPARED") {
        return Err(Failure::unsupported("transactions are not prepared here"));
    }
    if words.takes("AND") && !words.takes_all(&["NO", "CHAIN"]) {
        return Err(Failure::unsupported("AND CHAIN is not possible here"));
    }
    Ok(command)
}

/// The name of a setting, with its parts.
fn setting(words: &mut Words<'_>) -> Result<String, Failure> {
    if words.takes_all(&["TIME", "ZONE"]) {
        return Ok("TimeZone".to_owned());
    }
    if words.takes_all(&["TRANSACTION", "ISOLATION", "LEVEL"]) {
        return Ok("transaction_isolation".to_owned());
    }
    if words.takes_all(&["SESSION", "AUTHORIZATION"]) {
        return Ok("session_authorization".to_owned());
    }
    if words.takes("ROLE") {
        return Ok("role".to_owned());
    }
    let mut name = words.name()?;
    while words.takes_sign(&Token::Period) {
        name = format!("{name}.{}", words.name()?);
    }
    Ok(name)
}

fn set(words: &mut Words<'_>) -> Result<Command, Failure> {
    // Nothing is written in any of them, however isolated.
    if words.takes("TRANSACTION") || words.takes_all(&["SESSION", "CHARACTERISTICS", "AS", "TRANSACTION"]) {
        return Ok(rest(words, Command::Nothing("SET")));
    }
    if words.takes_all(&["SESSION", "AUTHORIZATION"]) || words.takes_all(&["LOCAL", "SESSION", "AUTHORIZATION"]) {
        return same_user(words, "session authorization");
    }
    let is_local = words.takes("LOCAL");
    words.takes("SESSION");
    if words.takes("ROLE") {
        return same_user(words, "role");
    }
    let name = if words.takes("NAMES") {
        "client_encoding".to_owned()
    } else if words.takes("SCHEMA") {
        "search_path".to_owned()
    } else {
        setting(words)?
    };
    if !words.takes("TO") {
        words.takes_sign(&Token::Eq);
    }
    if words.takes("DEFAULT") {
        return Ok(Command::Set { name, value: None, is_local });
    }
    words.takes("INTERVAL");
    let mut value = words.value()?;
    while words.takes_sign(&Token::Comma) {
        value = format!("{value}, {}", words.value()?);
    }
    if name == "TimeZone" {
        words.takes_all(&["HOUR", "TO", "MINUTE"]);
    }
    Ok(Command::Set { name, value: Some(value), is_local })
}

/// Somebody stays who they are.
fn same_user(words: &mut Words<'_>, what: &str) -> Result<Command, Failure> {
    if words.takes("DEFAULT") || words.takes("NONE") {
        return Ok(Command::Nothing("SET"));
    }
    Err(Failure::new("42501", format!("permission denied to set {what}")))
}

fn show(words: &mut Words<'_>) -> Result<Command, Failure> {
    if words.takes("ALL") { Ok(Command::ShowAll) } else { setting(words).map(Command::Show) }
}

fn discard(words: &mut Words<'_>) -> Result<&'static str, Failure> {
    let known = ["ALL", "PLANS", "SEQUENCES", "TEMP", "TEMPORARY"];
    let tags = ["DISCARD ALL", "DISCARD PLANS", "DISCARD SEQUENCES", "DISCARD TEMP", "DISCARD TEMP"];
    let found = known.iter().zip(tags).find(|(word, _)| words.takes(word));
    found.map(|(_, tag)| tag).ok_or_else(|| at(words.peek()))
}

fn prepare(words: &mut Words<'_>, piece: &Piece<'_>) -> Result<Command, Failure> {
    let name = words.name()?;
    // Types are told by what the parameters are compared with.
    words.in_parentheses()?;
    if !words.takes("AS") {
        return Err(at(words.peek()));
    }
    let parsed = Parsed::read(words.rest(), "")?;
    question(parsed.statement())?;
    Ok(Command::Prepare(name, parsed, piece.parameters()))
}

fn execute(words: &mut Words<'_>) -> Result<Command, Failure> {
    let (name, mut values) = (words.name()?, Vec::new());
    if words.takes_sign(&Token::LParen) {
        loop {
            values.push(if words.takes("NULL") { None } else { Some(words.value()?) });
            if !words.takes_sign(&Token::Comma) {
                break;
            }
        }
        if !words.takes_sign(&Token::RParen) {
            return Err(Failure::unsupported("EXECUTE takes plain values here, no expressions"));
        }
    }
    Ok(Command::Execute(name, values))
}

fn declare(words: &mut Words<'_>, piece: &Piece<'_>) -> Result<Command, Failure> {
    let (name, mut hold, mut is_binary) = (words.name()?, false, false);
    while !words.takes("CURSOR") {
        if words.takes("BINARY") {
            is_binary = true;
        } else if words.takes("SCROLL") {
            return Err(Failure::unsupported("cursors go forward only here: leave SCROLL away"));
        } else if !words.takes_any(&["INSENSITIVE", "ASENSITIVE"]) && !words.takes_all(&["NO", "SCROLL"]) {
            return Err(at(words.peek()));
        }
    }
    if words.takes("WITH") {
        hold = true;
    }
    if hold || words.takes("WITHOUT") {
        let is_held = words.takes("HOLD");
        if !is_held {
            return Err(at(words.peek()));
        }
    }
    if !words.takes("FOR") {
        return Err(at(words.peek()));
    }
    let query = Parsed::read(words.rest(), "")?;
    match query.statement() {
        Some(Statement::Query(_)) => Ok(Command::Declare { name, hold, is_binary, query, parameters: piece.parameters() }),
        _ => Err(Failure::new("42601", "a cursor is declared for a SELECT")),
    }
}

/// `FETCH FORWARD 100 FROM c`, `FETCH c`, `MOVE ALL IN c`.
fn fetch(words: &mut Words<'_>, moves: bool) -> Result<Command, Failure> {
    let backward = || Failure::new("55000", "cursor can only scan forward");
    if words.takes_any(&["PRIOR", "LAST", "BACKWARD", "ABSOLUTE", "RELATIVE", "FIRST"]) {
        return Err(backward());
    }
    let rows = if words.takes("NEXT") {
        Rows::Some(1)
    } else {
        words.takes("FORWARD");
        match words.peek() {
            _ if words.takes("ALL") => Rows::All,
            Some(Token::Minus) => return Err(backward()),
            Some(Token::Number(..) | Token::Plus) => {
                let number = words.value()?;
                Rows::Some(number.parse().map_err(|_| Failure::new("42601", format!("{number} is no number of rows")))?)
            }
            _ => Rows::Some(1),
        }
    };
    words.takes_any(&["FROM", "IN"]);
    Ok(Command::Fetch { name: words.name()?, rows, moves })
}

#[cfg(test)]
mod tests;
