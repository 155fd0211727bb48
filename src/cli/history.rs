//! `ier history`: one person's mails, newest first, after the look-up was recorded.

use std::io::{self, Write};

use crate::error::{Error, Result};
use crate::query::output::Format;
use crate::record::id::SfId;
use crate::tiers::lookups::LookUp;

use super::args::History;
use super::{Session, answer};

/// Asks for the history, records the look-up, and writes the answer: in this order, so that nobody sees a row of which the
/// log does not tell. When nothing is found, says on standard error what that does not prove.
pub async fn run(session: &Session, args: &History) -> Result<()> {
    // What cannot be written is refused before anything is computed.
    let format = args.output.resolve(session.global.json)?;
    let reason = session.reason(args.reason.as_deref())?;
    let engine = session.engine().await?;
    let found = async { answer::hold(engine.history(&args.id).await?).await };
    let ((rows, stream), log) = tokio::try_join!(found, session.look_ups())?;
    log.append(LookUp { verb: "history", person: person(&args.id)?, reason, rows }).await?;
    let rows = answer::write(session, stream, &args.output, (!args.utc).then_some(session.settings.zone)).await?;
    if rows == 0 && format == Format::Table && !session.global.quiet {
        let note = "note: no record is no proof that nothing was sent; tracking may have been off for a send";
        writeln!(io::stderr(), "{note}")?;
    }
    Ok(())
}

/// The id as the log knows it.
pub fn person(id: &str) -> Result<SfId> {
    SfId::parse(id).map_err(|error| Error::invalid(format!("{id:?} is no Salesforce id: {error}")))
}
