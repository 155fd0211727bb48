//! `ier status`: what is stored, and what it costs.

use crate::error::Result;
use crate::jobs::status::status;

use super::Session;

/// Counts and prints.
pub async fn run(session: &Session) -> Result<()> {
    session.answer(&status(&session.warehouse()?).await?)
}
