//! `ier who`: people by parts of their names and addresses.

use crate::error::Result;

use super::args::Who;
use super::session::Session;

/// Searches and lists.
pub async fn run(session: &Session, args: &Who) -> Result<()> {
    session.answer(&session.engine().await?.who(&args.text.join(" "), args.limit).await?)
}
