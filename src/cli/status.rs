//! `ier status`: shows what is stored, and what it costs.

use crate::error::Result;
use crate::jobs::metrics::metrics;
use crate::jobs::status::status;
use crate::ledgers::lease::Terms;

use super::args::Status;
use super::print;
use super::session::Session;

/// Counts what is stored, and prints the report.
pub async fn run(session: &Session, args: &Status) -> Result<()> {
    if args.metrics {
        return print::line(&metrics(&session.warehouse().await?, Terms::default()).await?);
    }
    session.answer(&status(&session.warehouse().await?).await?)
}
