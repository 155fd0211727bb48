//! The interactive shell: statements over several lines, history, the commands of `psql`. It also runs statements from a pipe.
//!
//! It uses the traits [`Ask`] and [`Lines`], never a terminal or an engine, so that tests need neither. After a mistake of a person
//! the shell prints the error and goes on; a script stops at its first error.

// Parses the shell's commands that begin with a backslash.
mod command;

// Shows answers that are longer than the terminal in a pager.
mod pager;

// The trait of a source of lines: a terminal, a pipe or a test.
mod lines;

// Reads lines from a pipe or a file.
mod piped;

// Reads lines that are typed at a terminal.
mod typed;

// Completes words with Tab.
mod completion;

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use futures::future::BoxFuture;

use self::command::{Command, HELP, Records};
pub use self::completion::CompletionWords;
pub use self::lines::{Line, Lines};
pub use self::pager::Pager;
pub use self::piped::Piped;
pub use self::typed::Typed;
use crate::clock::Clock;
use crate::error::{Context, Error, Result};
use crate::human;
use crate::output::{self, Format, Layout, Options};
use crate::query::ask::Ask;

use super::print::ignore_broken_pipe;
use super::statements;

const PROMPT: &str = "ier> ";
const PROMPT_WITHIN: &str = "  -> ";

/// Files that include files that include files: so many and no more, since one may include itself.
const INCLUDED_MAX: usize = 100;

/// A shell and its settings.
pub struct Shell<'a> {
    /// Who answers.
    pub ask: &'a dyn Ask,
    /// Where the warehouse is.
    pub place: String,
    /// Opens where answers go: each is written on a thread of its own.
    pub out: &'a (dyn Fn() -> Box<dyn Write + Send> + Sync),
    /// Where errors are printed.
    pub err: &'a mut (dyn Write + Send),
    /// Completes when the running statement is to be stopped.
    pub interrupt: &'a (dyn Fn() -> BoxFuture<'static, Result<()>> + Sync),
    /// Times statements.
    pub clock: Arc<dyn Clock>,
    /// How answers are written.
    pub format: Format,
    /// How tables are shown.
    pub options: Options,
    /// Shows what is long, and how many lines are not.
    pub pager: Option<(Pager, usize)>,
    /// The command with which a statement is written in a file.
    pub editor: String,
    /// Say how long statements take.
    pub timing: bool,
    /// A person types: tell mistakes and go on. A script stops at the first.
    pub interactive: bool,
}

/// The state of the shell while it reads lines.
#[derive(Default)]
struct ShellState {
    /// Lines of a statement that has not ended.
    typed: String,
    /// Lines that were there at once, pasted or of a file, in order.
    waiting: VecDeque<String>,
    /// The number of the last statement.
    number: u64,
    /// The last statement, for `\e` and `\g`.
    last: String,
    /// Files that were included since nothing was waiting.
    included: usize,
    /// Where answers go instead of the terminal.
    file: Option<File>,
    /// Answers go to the pager.
    is_paged: bool,
    /// The next answer is shown as records.
    records_once: bool,
}

impl Shell<'_> {
    /// Reads and answers until the lines end or somebody leaves.
    pub async fn run(&mut self, lines: &mut dyn Lines) -> Result<()> {
        let mut state = ShellState { is_paged: true, ..ShellState::default() };
        loop {
            let is_fresh = statements::is_blank(&state.typed) && !statements::is_open(&state.typed);
            let line = match state.waiting.pop_front() {
                Some(line) => line,
                None => {
                    state.included = 0;
                    match lines.next(if is_fresh { PROMPT } else { PROMPT_WITHIN }).await? {
                        Line::Text(text) => {
                            state.waiting.extend(text.split('\n').map(|line| line.trim_end_matches('\r').to_owned()));
                            continue;
                        }
                        Line::Interrupted => {
                            state.typed.clear();
                            continue;
                        }
                        Line::End => break,
                    }
                }
            };
            if self.take(line, is_fresh, &mut state, lines).await? == Next::Leave {
                return Ok(());
            }
        }
        if !self.interactive && !statements::is_blank(&state.typed) {
            let last = std::mem::take(&mut state.typed);
            state.number += 1;
            self.answer(last.trim(), &mut state).await?;
        }
        Ok(())
    }

    /// One line: a command, or a part of a statement.
    async fn take(&mut self, line: String, is_fresh: bool, state: &mut ShellState, lines: &mut dyn Lines) -> Result<Next> {
        let line = match ended(&line, &state.typed) {
            Some((statement, records)) => {
                state.records_once |= records;
                format!("{statement};")
            }
            None => line,
        };
        let is_command = is_fresh || line.trim_start().starts_with('\\') && !statements::is_open(&state.typed);
        let command = if is_command { Command::read(&line) } else { Ok(None) };
        if !matches!(command, Ok(None)) {
            lines.remember(line.trim())?;
        }
        match self.settle(command)?.flatten() {
            Some(command) => {
                let outcome = self.obey(command, state).await;
                return Ok(self.settle(outcome)?.unwrap_or(Next::Stay));
            }
            None if is_command && line.trim_start().starts_with('\\') => return Ok(Next::Stay),
            None => {}
        }
        state.typed.push_str(&line);
        state.typed.push('\n');
        // Only a line with a semicolon can end a statement: long lists are not read anew with each of their lines.
        if line.contains(';') {
            let typed = std::mem::take(&mut state.typed);
            let (complete, rest) = statements::split(&typed);
            rest.clone_into(&mut state.typed);
            for statement in complete {
                state.number += 1;
                lines.remember(&format!("{statement};"))?;
                self.answer(statement, state).await?;
            }
            state.records_once = false;
        }
        Ok(Next::Stay)
    }

    /// Answers one statement; a person's mistake is printed, a script's is returned.
    async fn answer(&mut self, statement: &str, state: &mut ShellState) -> Result<()> {
        statement.clone_into(&mut state.last);
        let started = self.clock.now();
        let stopped = (self.interrupt)();
        let outcome = tokio::select! {
            outcome = self.write(statement, state) => outcome,
            stopped = stopped => stopped.and(Err(Error::interrupted("statement stopped"))),
        };
        if let Some((pager, _)) = &self.pager {
            if outcome.is_err() {
                pager.give_up();
            }
            // Whoever still reads has the terminal.
            pager.read().await;
        }
        let number = state.number;
        let outcome =
            outcome.map_err(|error| if self.interactive { error } else { error.context(phrase!("statement {number}")) });
        if self.settle(outcome)?.is_some() && self.timing {
            let seconds = (self.clock.now() - started).as_seconds_f64();
            self.say(&format!("Time: {}", human::seconds(seconds)))?;
        }
        Ok(())
    }

    async fn write(&self, statement: &str, state: &ShellState) -> Result<()> {
        let stream = self.ask.ask(statement).await?;
        let format = if state.records_once { Format::Record } else { self.format };
        match (&state.file, &self.pager) {
            (Some(file), _) => {
                let options = Options { layout: Layout::Whole, ..self.options.clone() };
                output::write(stream, format, file.try_clone()?, &options).await?;
            }
            (None, Some((pager, lines))) if state.is_paged => {
                output::write(stream, format, pager.open(*lines), &self.options).await?;
            }
            (None, _) => {
                output::write(stream, format, (self.out)(), &self.options).await?;
            }
        }
        Ok(())
    }

    /// Tells a person what went wrong and goes on (`None`); hands a script's error back.
    fn settle<T>(&mut self, outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.interactive => {
                ignore_broken_pipe(writeln!(self.err, "ier: {}", human::harmless(&error.to_string())))?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Obeys a command.
    async fn obey(&mut self, command: Command, state: &mut ShellState) -> Result<Next> {
        match command {
            Command::Leave => return Ok(Next::Leave),
            Command::Help => self.say(HELP.trim_matches('\n'))?,
            Command::Hint => {
                self.say("Type a statement that ends with a semicolon, \\d for tables, \\? for help, \\q to leave.")?
            }
            Command::Columns(table) => self.columns(&table).await?,
            Command::Tables { tables, views, like } => self.tables((tables, views), like.as_deref()).await?,
            Command::Functions(like) => {
                let listed = self.ask.functions().into_iter().filter(|(name, _)| is_like(name, like.as_deref()));
                self.say_rows(&["function", "called"], listed.map(|(name, call)| vec![name, call]).collect())?;
            }
            Command::Place => self.say(&format!("the warehouse at {}", self.place))?,
            Command::Records(when) => self.records(when)?,
            Command::Format(wanted) => self.set_format(wanted.as_deref())?,
            Command::Output(file) => self.redirect(file, state)?,
            Command::Include(file) => include(&file, state)?,
            Command::Edit => self.edit(state)?,
            Command::Go { records } => {
                state.records_once = records;
                let statement = match state.typed.trim() {
                    "" => state.last.clone(),
                    typed => typed.to_owned(),
                };
                state.typed.clear();
                if statement.is_empty() {
                    return Err(Error::invalid("there is no statement yet"));
                }
                state.number += 1;
                self.answer(&statement, state).await?;
                state.records_once = false;
            }
            Command::Print => self.say(match state.typed.trim_end() {
                "" => state.last.as_str(),
                typed => typed,
            })?,
            Command::Reset => state.typed.clear(),
            Command::Pager(on) => {
                state.is_paged = on.unwrap_or(!state.is_paged);
                self.say(match (&self.pager, state.is_paged) {
                    (None, _) => "there is no pager: set PAGER before the shell is begun, such as PAGER='less -S'",
                    (_, true) => "the pager is on",
                    (_, false) => "the pager is off",
                })?;
            }
            Command::Timing(on) => {
                self.timing = on.unwrap_or(!self.timing);
                self.say(if self.timing { "timing is on" } else { "timing is off" })?;
            }
            Command::Echo(text) => self.say(&text)?,
        }
        Ok(Next::Stay)
    }

    async fn columns(&self, table: &str) -> Result<()> {
        let found = self.ask.columns(table).await?;
        self.say_rows(&["column", "type"], found.into_iter().map(|(name, kind)| vec![name, kind]).collect())
    }

    async fn tables(&self, (tables, views): (bool, bool), like: Option<&str>) -> Result<()> {
        let wanted = |kind: &str| if kind == "view" { views } else { tables };
        let listed = self.ask.tables().await?.into_iter().filter(|(_, name, kind)| wanted(kind) && is_like(name, like));
        self.say_rows(&["schema", "name", "kind"], listed.map(|(schema, table, kind)| vec![schema, table, kind]).collect())
    }

    fn records(&mut self, when: Option<Records>) -> Result<()> {
        let when = when.unwrap_or(if self.format == Format::Record { Records::Off } else { Records::On });
        let fitting = if self.options.layout == Layout::Whole { Layout::Whole } else { Layout::Fitting };
        (self.format, self.options.layout) = match when {
            Records::On => (Format::Record, fitting),
            Records::Off => (Format::Table, fitting),
            Records::Auto => (Format::Table, Layout::RecordsIfWide),
        };
        self.say(match when {
            Records::On => "rows are shown as records",
            Records::Off => "rows are shown as a table",
            Records::Auto => "rows are shown as records where a table would be wider than the terminal",
        })
    }

    fn set_format(&mut self, wanted: Option<&str>) -> Result<()> {
        const FORMATS: &str = "table, record, chart, csv, json, ndjson";
        let Some(wanted) = wanted else { return self.say(&format!("format is {}", name(self.format))) };
        match Format::from_str(wanted, true) {
            Ok(format) if !format.is_binary() => self.format = format,
            Ok(_) => return Err(Error::invalid(phrase!("{wanted} is not for a shell; use `ier sql -o FILE`"))),
            Err(_) => return Err(Error::invalid(phrase!("no format {wanted}; one of {FORMATS}"))),
        }
        Ok(())
    }

    /// Answers go to a new file from now on, or back to where they went.
    fn redirect(&self, file: Option<PathBuf>, state: &mut ShellState) -> Result<()> {
        state.file = match file {
            None => None,
            Some(path) => {
                let writing = || phrase!("cannot write {}", path.display());
                output::refuse_to_replace(&path, false)?;
                let mut options = File::options();
                options.append(true).create_new(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                Some(options.open(&path).context(writing)?)
            }
        };
        Ok(())
    }

    /// Lets somebody write on at the last statement, or at what is typed, in their editor.
    fn edit(&self, state: &mut ShellState) -> Result<()> {
        if !self.interactive {
            return Err(Error::invalid("\\e is for a terminal"));
        }
        let text = if state.typed.trim().is_empty() { format!("{};\n", state.last) } else { state.typed.clone() };
        let text = if state.last.is_empty() && state.typed.trim().is_empty() { String::new() } else { text };
        let mut file = tempfile::Builder::new().prefix("ier-").suffix(".sql").tempfile()?;
        file.write_all(text.as_bytes()).and_then(|()| file.flush())?;
        let editor = &self.editor;
        let command = format!("{editor} \"$1\"");
        let begun = std::process::Command::new("sh").args(["-c", &command, "sh"]).arg(file.path()).status();
        if !begun.context(|| phrase!("cannot start the editor {editor}"))?.success() {
            return Err(Error::invalid("the editor ended with an error; nothing was run"));
        }
        state.typed.clear();
        read_into(file.path(), state)
    }

    fn say(&self, text: &str) -> Result<()> {
        let mut out = (self.out)();
        ignore_broken_pipe(writeln!(out, "{}", human::harmless(text)).and_then(|()| out.flush()))
    }

    fn say_rows(&self, headers: &[&str], rows: Vec<Vec<String>>) -> Result<()> {
        self.say(left_aligned(headers, rows).trim_end())
    }
}

/// The part of a statement that `\\g` or `\\gx` ends on this line, and whether its answer is shown as records; none where they are characters
/// within quotes, or stand alone.
fn ended<'a>(line: &'a str, typed: &str) -> Option<(&'a str, bool)> {
    let line = line.trim_end();
    let records = line.strip_suffix("\\gx").map(|statement| (statement, true));
    let (statement, records) = records.or_else(|| line.strip_suffix("\\g").map(|statement| (statement, false)))?;
    let is_statement = !statement.trim().is_empty() && !statements::is_open(&format!("{typed}{statement}"));
    is_statement.then_some((statement, records))
}

/// The lines of a file come next.
fn include(file: &Path, state: &mut ShellState) -> Result<()> {
    state.included += 1;
    if state.included > INCLUDED_MAX {
        return Err(Error::invalid(phrase!("{} is one file too many: do they include each other?", file.display())));
    }
    read_into(file, state)
}

fn read_into(file: &Path, state: &mut ShellState) -> Result<()> {
    let reading = || phrase!("cannot read {}", file.display());
    let text = std::fs::read(file).context(reading)?;
    let text = String::from_utf8(text).map_err(|error| Error::invalid("it is not utf-8").with_source(error)).context(reading)?;
    for line in text.trim_start_matches('\u{FEFF}').lines().rev() {
        state.waiting.push_front(line.to_owned());
    }
    Ok(())
}

/// Has a name this in it? `*` is for any letters.
fn is_like(name: &str, like: Option<&str>) -> bool {
    let Some(like) = like else { return true };
    let like = like.to_lowercase();
    let pattern = if like.contains('*') { like } else { format!("*{like}*") };
    glob::Pattern::new(&pattern).is_ok_and(|pattern| pattern.matches(&name.to_lowercase()))
}

/// Whether the shell goes on after a line.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
