//! The interactive shell: statements over several lines, history, `\d`, timing; and the same for statements from a pipe.
//!
//! It talks to an [`Ask`] and to [`Lines`], never to a terminal or an engine, so that it can be tried without either. A
//! person's mistake is told and the shell goes on; a script stops at its first error.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use clap::ValueEnum;
use futures::future::BoxFuture;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::error::{Context, Error, Result};
use crate::human;
use crate::output::{self, Format, Options};
use crate::query::ask::Ask;

use super::print::forgiving;
use super::statements;

const PROMPT: &str = "ier> ";
const PROMPT_WITHIN: &str = "  -> ";

/// Lines of history kept.
const HISTORY_LINES: usize = 10_000;

/// Lines of a pipe read before they are needed.
const LINES_AHEAD: usize = 256;

const HELP: &str = r"
A statement may take several lines and ends with a semicolon.
  \d              tables and views
  \d NAME         columns of a table
  \dt             tables
  \format [NAME]  how answers are written: table, chart, csv, json, ndjson
  \timing [on|off]  how long statements take
  \?              this help
  \q              leave (also Ctrl-D)
Ctrl-C stops the running statement, or forgets the lines typed.
";

/// One thing somebody typed.
#[derive(Debug, Eq, PartialEq)]
pub enum Line {
    /// A line, without its end.
    Text(String),
    /// Ctrl-C: forget what was typed so far.
    Interrupted,
    /// Nothing more will come.
    End,
}

/// Where lines come from.
#[async_trait(?Send)]
pub trait Lines {
    /// The next line; `prompt` is shown where somebody types.
    async fn next(&mut self, prompt: &str) -> Result<Line>;

    /// Keeps a statement for the arrow keys and the next session.
    fn remember(&mut self, statement: &str) -> Result<()>;
}

/// The shell's state.
pub struct Shell<'a> {
    /// Who answers.
    pub ask: &'a dyn Ask,
    /// Opens where answers go: each is written on a thread of its own.
    pub out: &'a (dyn Fn() -> Box<dyn Write + Send> + Sync),
    /// Where mistakes are told.
    pub err: &'a mut (dyn Write + Send),
    /// Completes when the running statement is to be stopped.
    pub interrupt: &'a (dyn Fn() -> BoxFuture<'static, Result<()>> + Sync),
    /// Times statements.
    pub clock: Arc<dyn Clock>,
    /// How answers are written.
    pub format: Format,
    /// How tables are shown.
    pub options: Options,
    /// Say how long statements take.
    pub timing: bool,
    /// A person types: tell mistakes and go on. A script stops at the first.
    pub interactive: bool,
}

impl Shell<'_> {
    /// Reads and answers until the lines end or somebody leaves.
    pub async fn run(&mut self, lines: &mut dyn Lines) -> Result<()> {
        let mut typed = String::new();
        let mut number = 0;
        loop {
            let fresh = statements::is_blank(&typed);
            let line = match lines.next(if fresh { PROMPT } else { PROMPT_WITHIN }).await? {
                Line::Text(line) => line,
                Line::Interrupted => {
                    typed.clear();
                    continue;
                }
                Line::End => break,
            };
            if fresh && (line.trim_start().starts_with('\\') || ["exit", "quit"].contains(&line.trim())) {
                lines.remember(line.trim())?;
                let outcome = self.command(line.trim()).await;
                if self.settle(outcome)? == Some(Next::Leave) {
                    return Ok(());
                }
                continue;
            }
            typed.push_str(&line);
            typed.push('\n');
            // Only a line with a semicolon can end a statement: long lists are not read anew with each of their lines.
            if line.contains(';') {
                let (complete, rest) = statements::split(&typed);
                for statement in complete {
                    number += 1;
                    lines.remember(&format!("{statement};"))?;
                    self.answer(statement, number).await?;
                }
                typed = rest.to_owned();
            }
        }
        if !self.interactive && !statements::is_blank(&typed) {
            self.answer(typed.trim(), number + 1).await?;
        }
        Ok(())
    }

    /// Answers one statement; a person's mistake is told, a script's is returned.
    async fn answer(&mut self, statement: &str, number: u64) -> Result<()> {
        let started = self.clock.now();
        let stopped = (self.interrupt)();
        let outcome = tokio::select! {
            outcome = self.write(statement) => outcome,
            stopped = stopped => stopped.and(Err(Error::interrupted("statement stopped"))),
        };
        let outcome =
            outcome.map_err(|error| if self.interactive { error } else { error.context(phrase!("statement {number}")) });
        if self.settle(outcome)?.is_some() && self.timing {
            let seconds = (self.clock.now() - started).as_seconds_f64();
            self.say(&format!("Time: {}", human::seconds(seconds)))?;
        }
        Ok(())
    }

    async fn write(&mut self, statement: &str) -> Result<()> {
        let stream = self.ask.ask(statement).await?;
        output::write(stream, self.format, (self.out)(), &self.options).await?;
        Ok(())
    }

    /// Tells a person what went wrong and goes on (`None`); hands a script's error back.
    fn settle<T>(&mut self, outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.interactive => {
                forgiving(writeln!(self.err, "ier: {}", human::harmless(&error.to_string())))?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Obeys a line that begins with a backslash.
    async fn command(&mut self, line: &str) -> Result<Next> {
        let mut words = line.split_whitespace();
        let (word, argument) = (words.next().unwrap_or_default(), words.next().map(|word| word.trim_end_matches(';')));
        match (word, argument) {
            ("\\q" | "exit" | "quit", _) => return Ok(Next::Leave),
            ("\\?" | "\\h" | "\\help", _) => self.say(HELP.trim_matches('\n'))?,
            ("\\d", Some(table)) => {
                let found = self.ask.columns(table).await?;
                let rows: Vec<_> = found.into_iter().map(|(name, kind)| vec![name, kind]).collect();
                self.say(left_aligned(&["column", "type"], rows).trim_end())?;
            }
            ("\\d" | "\\dt", _) => {
                let wanted = |kind: &str| word == "\\d" || kind == "table";
                let tables = self.ask.tables().into_iter().filter(|(_, _, kind)| wanted(kind));
                let rows: Vec<_> = tables.map(|(schema, table, kind)| vec![schema, table, kind]).collect();
                self.say(left_aligned(&["schema", "name", "kind"], rows).trim_end())?;
            }
            ("\\timing", argument) => {
                self.timing = match argument {
                    None => !self.timing,
                    Some("on") => true,
                    Some("off") => false,
                    Some(other) => return Err(Error::invalid(phrase!("\\timing is on or off, not {other}"))),
                };
                self.say(if self.timing { "timing is on" } else { "timing is off" })?;
            }
            ("\\format", None) => self.say(&format!("format is {}", name(self.format)))?,
            ("\\format", Some(wanted)) => match Format::from_str(wanted, true) {
                Ok(format) if !format.is_binary() => self.format = format,
                Ok(_) => return Err(Error::invalid(phrase!("{wanted} is not for a shell; use `ier sql -o FILE`"))),
                Err(_) => return Err(Error::invalid(phrase!("no format {wanted}; one of table, chart, csv, json, ndjson"))),
            },
            (other, _) => return Err(Error::invalid(phrase!("no command {other}; \\? lists them"))),
        }
        Ok(Next::Stay)
    }

    fn say(&mut self, text: &str) -> Result<()> {
        let mut out = (self.out)();
        forgiving(writeln!(out, "{}", human::harmless(text)).and_then(|()| out.flush()))
    }
}

/// Whether the shell goes on after a command.
#[derive(Debug, Eq, PartialEq)]
enum Next {
    Stay,
    Leave,
}

fn name(format: Format) -> String {
    format.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Columns of words: all but the last padded to their widest.
fn left_aligned(headers: &[&str], mut rows: Vec<Vec<String>>) -> String {
    let last = headers.len().saturating_sub(1);
    let mut headers: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
    for column in 0..last {
        let widest = rows.iter().chain([&headers]).filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        for cell in rows.iter_mut().chain([&mut headers]).filter_map(|row| row.get_mut(column)) {
            *cell = format!("{cell:<0$}", widest.unwrap_or(0));
        }
    }
    let mut text = String::new();
    for row in [headers].into_iter().chain(rows) {
        text.push_str(row.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Lines somebody types at a terminal.
pub struct Typed {
    editor: Editor<(), FileHistory>,
    history: Option<PathBuf>,
}

impl Typed {
    /// An editor whose history is kept in `history` (for its owner alone), if anywhere.
    pub fn new(history: Option<PathBuf>) -> Result<Self> {
        let config = Config::builder().max_history_size(HISTORY_LINES).map_err(readline)?.history_ignore_space(true).build();
        let mut editor = Editor::with_config(config).map_err(readline)?;
        if let Some(path) = &history {
            let keeping = || format!("cannot keep the shell's history in {}", path.display());
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).context(keeping)?;
            }
            if path.exists() {
                editor.load_history(path).map_err(readline).context(keeping)?;
            }
        }
        Ok(Self { editor, history })
    }
}

#[async_trait(?Send)]
impl Lines for Typed {
    /// Waits on the spot: the terminal hands Ctrl-C over as a key, and nothing else is going on.
    async fn next(&mut self, prompt: &str) -> Result<Line> {
        match self.editor.readline(prompt) {
            Ok(line) => Ok(Line::Text(line)),
            Err(ReadlineError::Interrupted) => Ok(Line::Interrupted),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(readline(error)),
        }
    }

    fn remember(&mut self, statement: &str) -> Result<()> {
        self.editor.add_history_entry(statement).map_err(readline)?;
        let Some(path) = &self.history else { return Ok(()) };
        // At once, not when leaving: a shell may be killed.
        self.editor.append_history(path as &Path).map_err(readline)
    }
}

fn readline(error: ReadlineError) -> Error {
    match error {
        ReadlineError::Io(error) => error.into(),
        error => Error::unavailable("the terminal cannot be read").with_source(error),
    }
}

/// Lines of a pipe or a file, read on a thread of their own so that a signal is heard while none come.
pub struct Piped {
    lines: mpsc::Receiver<Result<Line>>,
    /// The thread has said that there are no more.
    ended: bool,
}

impl Piped {
    /// Begins to read; a few lines ahead at most.
    pub fn new(mut reader: impl BufRead + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel(LINES_AHEAD);
        std::thread::spawn(move || {
            loop {
                let line = read_line(&mut reader);
                let last = !matches!(line, Ok(Line::Text(_)));
                // Nobody listens any more when the shell has left.
                if sender.blocking_send(line).is_err() || last {
                    return;
                }
            }
        });
        Self { lines: receiver, ended: false }
    }
}

#[async_trait(?Send)]
impl Lines for Piped {
    async fn next(&mut self, _prompt: &str) -> Result<Line> {
        match self.lines.recv().await {
            Some(line) => {
                self.ended |= !matches!(line, Ok(Line::Text(_)));
                line
            }
            None if self.ended => Ok(Line::End),
            // Whoever dies says nothing: that is no end of the statements.
            None => Err(Error::internal("the statements broke off: what reads standard input has died")),
        }
    }

    fn remember(&mut self, _statement: &str) -> Result<()> {
        Ok(())
    }
}

fn read_line(reader: &mut impl BufRead) -> Result<Line> {
    let mut line = String::new();
    match reader.read_line(&mut line) {
        Ok(0) => Ok(Line::End),
        Ok(_) => Ok(Line::Text(line.trim_end_matches(['\n', '\r']).trim_start_matches('\u{FEFF}').to_owned())),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Error::invalid("the statements on standard input are not utf-8; convert them first").with_source(error))
        }
        Err(error) => Err(Error::from(error).context("cannot read standard input")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
