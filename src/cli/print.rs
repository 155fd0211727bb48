//! Prints reports on standard output and errors on standard error, for people or as JSON.
//!
//! **Invariant**: every text for people goes through [`harmless`], because names, subjects, headers, reasons and file names come
//! from anywhere, and may contain control sequences that a terminal obeys. Nothing else in the command line writes to standard
//! output or standard error, except answers, whose formats do the same.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

use crate::error::{Context, Error, Kind, Result};
use crate::human::harmless;

/// Prints a report: as JSON for machines, else as `human` tells it. A reader that has gone away is no error.
pub fn report<T: Serialize>(json: bool, value: &T, human: impl FnOnce(&T) -> String) -> Result<()> {
    if !json {
        return line(&human(value));
    }
    let text = serde_json::to_string_pretty(value);
    machine(&text.map_err(|error| Error::internal("the report cannot be written as json").with_source(error))?)
}

/// Prints a text on standard output and ends its line. A reader that has gone away is no error.
pub fn line(text: &str) -> Result<()> {
    machine(&harmless(text))
}

/// Prints JSON or a script as it is, and ends its line.
pub fn machine(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    ignore_broken_pipe(writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()))
}

/// Prints a warning on standard error: what was asked for is done, but something beside it is not.
pub fn warning(text: &str) -> Result<()> {
    to_stderr(&format!("warning: {text}"))
}

/// Prints a text on standard error.
pub fn to_stderr(text: &str) -> Result<()> {
    Ok(writeln!(io::stderr().lock(), "{}", harmless(text))?)
}

/// Prints something beside the answer on standard error: as a line of JSON for machines, else as it tells itself.
pub fn note<T: Serialize + fmt::Display>(json: bool, value: &T) -> Result<()> {
    if !json {
        return to_stderr(&value.to_string());
    }
    let text = serde_json::to_string(value);
    let text = text.map_err(|error| Error::internal("a note cannot be written as json").with_source(error))?;
    Ok(writeln!(io::stderr().lock(), "{text}")?)
}

/// Treats a broken pipe as success: a reader that went away (`| head`) has seen enough.
pub fn ignore_broken_pipe(outcome: io::Result<()>) -> Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.context(|| "cannot write to standard output"),
    }
}

/// Prints an error on standard error. Returns what became of that, which only a closed standard error can spoil.
pub fn failure(json: bool, error: &Error) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{}", failure_text(json, error))
}

fn failure_text(json: bool, error: &Error) -> String {
    let (kind, hint) = (error.kind(), hint(error.kind()));
    if json {
        let body = serde_json::json!({
            "kind": kind.name(), "message": error.to_string(), "hint": hint, "exit_code": kind.exit_code(),
        });
        return serde_json::json!({ "error": body }).to_string();
    }
    harmless(&match hint {
        Some(hint) => format!("ier: {error}\nhint: {hint}"),
        None => format!("ier: {error}"),
    })
}

/// Prints what is wrong with the words of a command, or the help it asks for: in colours, where no word of the user's is in the way.
pub fn usage(error: &clap::Error) -> io::Result<()> {
    let plain = error.render().to_string();
    let shown = harmless(&plain);
    match (shown == plain, error.use_stderr()) {
        (true, _) => error.print(),
        (false, true) => io::stderr().lock().write_all(shown.as_bytes()),
        (false, false) => io::stdout().lock().write_all(shown.as_bytes()),
    }
}

/// What to do about a kind of error, where the message alone may not say.
fn hint(kind: Kind) -> Option<&'static str> {
    match kind {
        // What is wrong, and with which file, is in the message.
        Kind::Invalid | Kind::NotFound | Kind::Corrupt | Kind::Interrupted => None,
        Kind::Conflict => Some("somebody else changed the same thing first; run the command again"),
        Kind::Unavailable => Some("try again; if it stays, look at addresses and rights, or raise a limit in ier.toml"),
        Kind::Internal => Some("this is a fault of ier; please report it with the command and this message"),
    }
}

/// Lines of cells as aligned columns: the first left-aligned, the others right-aligned, for reports full of numbers.
pub fn columns(headers: &[&str], rows: &[Vec<String>]) -> String {
    let length = |cell: &str| cell.chars().count();
    let mut widths: Vec<usize> = headers.iter().map(|header| length(header)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(length(cell));
        }
    }
    let headers: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
    let mut text = String::new();
    for row in std::iter::once(&headers).chain(rows) {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_printed_with_its_hint() {
        let error = Error::conflict("table ier is at version 8, not 7");
        let printed = failure_text(false, &error);
        assert_eq!(
            printed,
            "ier: table ier is at version 8, not 7\nhint: somebody else changed the same thing first; run the command again"
        );
        assert_eq!(failure_text(false, &Error::invalid("no")), "ier: no");
        assert_eq!(failure_text(false, &Error::invalid("no \u{1b}[2J")), "ier: no \u{FFFD}[2J");
    }

    #[test]
    fn an_error_is_json_for_machines() {
        let printed: serde_json::Value = serde_json::from_str(&failure_text(true, &Error::invalid("say \"yes\""))).unwrap();
        assert_eq!(printed["error"]["kind"], "invalid");
        assert_eq!(printed["error"]["message"], "say \"yes\"");
        assert_eq!(printed["error"]["exit_code"], 2);
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["ier".to_owned(), "1,000".to_owned()], vec!["email_send".to_owned(), "7".to_owned()]];
        assert_eq!(columns(&["table", "rows"], &rows), "table        rows\nier         1,000\nemail_send      7\n");
    }
}
