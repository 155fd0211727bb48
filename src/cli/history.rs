//! `ier history`: one person's mails, newest first.

use std::io::{self, Write};

use crate::error::Result;
use crate::query::output::Format;

use super::args::History;
use super::{Session, answer};

/// Asks for the history and writes it. When nothing is found, says on standard error what that does not prove.
pub async fn run(session: &Session, args: &History) -> Result<()> {
    // What cannot be written is refused before anything is computed.
    let format = args.output.resolve(session.global.json)?;
    let stream = session.engine().await?.history(&args.id).await?;
    let rows = answer::write(session, stream, &args.output, (!args.utc).then_some(session.settings.zone)).await?;
    if rows == 0 && format == Format::Table && !session.global.quiet {
        let note = "note: no record is no proof that nothing was sent; tracking may have been off for a send";
        writeln!(io::stderr(), "{note}")?;
    }
    Ok(())
}
