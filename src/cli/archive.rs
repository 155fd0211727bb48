//! `ier archive`: moves records that are old enough from hot to the archive.

use crate::error::Result;
use crate::jobs::archive::{execute, plan};

use super::args::Archive;
use super::session::Session;

/// Makes the plan, and carries it out unless it is only to be shown.
pub async fn run(session: &Session, args: &Archive) -> Result<()> {
    let warehouse = session.warehouse().await?;
    let until = session.day("--until", args.until.as_ref())?;
    let planned = plan(&warehouse, until, session.settings.archive.older_than_days);
    if args.dry_run {
        return session.answer(&planned.await?);
    }
    // A day that was named is no matter of the clock.
    if until.is_none() {
        session.believe(&warehouse, args.clock, "archive").await?;
    }
    let progress = session.progress()?;
    session.job(&warehouse, "archive", planned, |plan, _| execute(&warehouse, plan, progress)).await
}
