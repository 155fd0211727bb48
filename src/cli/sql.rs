//! `ier sql`: runs statements from the command line, a file or a pipe, or opens a shell.

use std::io::{self, IsTerminal, Read};
use std::path::Path;

use crate::error::{Context, Error, Result};
use crate::output::Format;
use crate::query::ask::Ask;
use crate::query::engine::Engine;

use super::args::Sql;
use super::session::Session;
use super::shell::{CompletionWords, Pager, Piped, Shell, Typed};
use super::{answer, interrupt, statements};

/// Runs the statements in `args`, or opens a shell.
pub async fn run(session: &Session, engine: &Engine, args: &Sql) -> Result<()> {
    match given(args)? {
        // The shell's own commands may stand between statements.
        Some(text) if text.lines().any(|line| line.starts_with('\\')) => {
            let lines = Piped::new(io::Cursor::new(text));
            interrupt::or_interrupted(shell(session, engine, args, Some(lines))).await
        }
        Some(text) => interrupt::or_interrupted(all(session, engine, args, &text)).await,
        None => shell(session, engine, args, None).await,
    }
}

/// The statements given on the command line, if any.
fn given(args: &Sql) -> Result<Option<String>> {
    if let Some(path) = args.file.as_deref().filter(|path| *path != Path::new("-")) {
        let reading = || format!("cannot read {}", path.display());
        let text = std::fs::read(path).context(reading)?;
        let text = String::from_utf8(text).map_err(|error| Error::invalid("it is not utf-8").with_source(error));
        return Ok(Some(text.context(reading)?));
    }
    if args.file.is_some() {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).context(|| "cannot read standard input")?;
        return Ok(Some(text));
    }
    let text = args.query.as_ref().or(args.command.as_ref());
    if let Some(name) = text.filter(|text| text.ends_with(".sql") && !text.contains(char::is_whitespace)) {
        return Err(Error::invalid(phrase!("{name} is no statement; if it is a file, run it with ier sql -f {name}")));
    }
    Ok(text.cloned())
}

async fn all(session: &Session, engine: &Engine, args: &Sql, text: &str) -> Result<()> {
    let audience = answer::audience(session, &args.audience, &args.output)?;
    let statements = statements::all(text.trim_start_matches('\u{FEFF}'));
    if statements.is_empty() {
        return Err(Error::invalid("there is no statement to run; give one, such as ier sql \"SELECT count(*) FROM ier\""));
    }
    if let (Some(path), true) = (&args.output.output, statements.len() > 1) {
        let many = format!("{} statements cannot be written to the one file {}; give one", statements.len(), path.display());
        return Err(Error::invalid(many));
    }
    let given = args.parameters.iter().cloned().collect();
    // Several answers are one value of JSON, too: an array of arrays.
    let is_array = statements.len() > 1 && args.output.resolve(session.global.json)? == Format::Json;
    for (number, statement) in statements.into_iter().enumerate() {
        if is_array {
            super::print::line(if number == 0 { "[" } else { "," })?;
        }
        let stream = engine.ask_given(statement, &given).await?;
        let shown = (&args.output, args.local.then_some(session.settings.zone));
        answer::deliver(session, engine, stream, audience.as_ref(), shown).await?;
    }
    if is_array { super::print::line("]") } else { Ok(()) }
}

/// Answers lines that are there already, or that come through a pipe or from a person.
async fn shell(session: &Session, engine: &Engine, args: &Sql, given: Option<Piped>) -> Result<()> {
    if args.output.output.is_some() {
        return Err(Error::invalid("-o needs a statement; give one, or a file of one with -f"));
    }
    let interactive = given.is_none() && io::stdin().is_terminal();
    let mut err = io::stderr();
    let pager = pager(session, interactive);
    let paging = pager.as_ref().map(|(pager, _)| pager.clone());
    let mut shell = Shell {
        ask: engine,
        place: engine.warehouse().root().location(),
        out: &|| Box::new(io::stdout()),
        err: &mut err,
        // In a pager, Ctrl-C is the pager's.
        interrupt: &|| Box::pin(pressed(paging.clone())),
        clock: session.clock.clone(),
        format: args.output.resolve(session.global.json)?,
        options: args.output.options(session, args.local.then_some(session.settings.zone)),
        pager,
        editor: session.settings.shell.editor.clone(),
        timing: false,
        interactive,
    };
    if let Some(mut lines) = given {
        return shell.run(&mut lines).await;
    }
    if !interactive {
        return interrupt::or_interrupted(shell.run(&mut Piped::new(io::BufReader::new(io::stdin())))).await;
    }
    if !session.global.quiet {
        super::print::line("Statements end with a semicolon; \\d lists tables, \\? helps, \\q leaves.")?;
    }
    let words = words(engine).await?;
    shell.run(&mut Typed::new(session.settings.shell.history.clone(), words)?).await
}

/// The pager for a person at a terminal, and how many lines need none.
fn pager(session: &Session, interactive: bool) -> Option<(Pager, usize)> {
    let command = session.settings.shell.pager.clone().filter(|_| interactive && io::stdout().is_terminal())?;
    let (_, terminal_size::Height(lines)) = terminal_size::terminal_size()?;
    Some((Pager::new(command), usize::from(lines).saturating_sub(1)))
}

/// Completes when Ctrl-C is pressed and nobody reads in a pager.
async fn pressed(pager: Option<Pager>) -> Result<()> {
    loop {
        interrupt::ctrl_c().await?;
        if !pager.as_ref().is_some_and(Pager::is_showing) {
            return Ok(());
        }
    }
}

/// What Tab completes.
async fn words(engine: &Engine) -> Result<CompletionWords> {
    Ok(CompletionWords {
        tables: engine.names().await?,
        functions: engine.functions().into_iter().map(|(name, _)| name).collect(),
    })
}
