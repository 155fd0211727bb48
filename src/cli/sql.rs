//! `ier sql`: statements from the command line, a file or a pipe, or a shell for a person.

use std::io::{self, IsTerminal, Read};
use std::path::Path;

use crate::error::{Context, Error, Result};
use crate::query::ask::Ask;
use crate::query::engine::Engine;

use super::args::Sql;
use super::session::Session;
use super::shell::{Piped, Shell, Typed};
use super::{answer, interrupt, statements};

/// Answers the statements in `args`, or lets somebody type them.
pub async fn run(session: &Session, engine: &Engine, args: &Sql) -> Result<()> {
    match given(args)? {
        Some(text) => interrupt::or_interrupted(all(session, engine, args, &text)).await,
        None => shell(session, engine, args).await,
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
    Ok(args.query.clone())
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
    for statement in statements {
        let stream = engine.ask_given(statement, &given).await?;
        let shown = (&args.output, args.local.then_some(session.settings.zone));
        answer::deliver(session, engine, stream, audience.as_ref(), shown).await?;
    }
    Ok(())
}

async fn shell(session: &Session, ask: &dyn Ask, args: &Sql) -> Result<()> {
    if args.output.output.is_some() {
        return Err(Error::invalid("-o needs a statement; give one, or a file of one with -f"));
    }
    let interactive = io::stdin().is_terminal();
    let mut err = io::stderr();
    let mut shell = Shell {
        ask,
        out: &|| Box::new(io::stdout()),
        err: &mut err,
        interrupt: &|| Box::pin(interrupt::ctrl_c()),
        clock: session.clock.clone(),
        format: args.output.resolve(session.global.json)?,
        options: args.output.options(session, args.local.then_some(session.settings.zone)),
        timing: interactive && !session.global.quiet && !session.global.json,
        interactive,
    };
    if !interactive {
        return interrupt::or_interrupted(shell.run(&mut Piped::new(io::BufReader::new(io::stdin())))).await;
    }
    if !session.global.quiet {
        super::print::line("Statements end with a semicolon; \\d lists tables, \\? helps, \\q leaves.")?;
    }
    shell.run(&mut Typed::new(session.settings.shell.history.clone())?).await
}
