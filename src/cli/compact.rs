//! `ier compact`: many small files become few sorted ones.

use crate::error::Result;
use crate::jobs::compact::{execute, plan};

use super::Session;
use super::args::Compact;
use super::progress::Unit;

/// Plans, and unless it is only to be shown, rewrites.
pub async fn run(session: &Session, args: &Compact) -> Result<()> {
    let warehouse = session.warehouse()?;
    let plan = plan(&warehouse).await?;
    if args.dry_run {
        return session.answer(&plan);
    }
    let report = execute(&warehouse, plan, session.progress(Unit::Rows)?).await?;
    session.report(&report, ToString::to_string)
}
