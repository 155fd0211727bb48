//! `ier archive`: hot records that have come of age move to the archive.

use crate::error::Result;
use crate::jobs::archive::{execute, plan};

use super::Session;
use super::args::Archive;
use super::progress::Unit;

/// Plans, and unless it is only to be shown, moves.
pub async fn run(session: &Session, args: &Archive) -> Result<()> {
    let warehouse = session.warehouse()?;
    let plan = plan(&warehouse, args.until, session.settings.archive.older_than_days).await?;
    if args.dry_run {
        return session.answer(&plan);
    }
    let report = execute(&warehouse, plan, session.progress(Unit::Rows)?).await?;
    session.report(&report, ToString::to_string)
}
