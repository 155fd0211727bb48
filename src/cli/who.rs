//! `ier who`: finds people by parts of their names and addresses.

use crate::error::Result;

use super::args::Who;
use super::session::Session;

/// Searches for people, and prints a table of them.
pub async fn run(session: &Session, args: &Who) -> Result<()> {
    session.check_reason(args.reason.as_deref())?;
    session.answer(&session.engine_for(args.reason.as_deref()).await?.who(&args.text.join(" "), args.limit).await?)
}
