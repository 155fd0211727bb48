//! `ier compact`: rewrites many small archive files as few sorted ones.

use chrono::Duration;

use crate::error::{Error, Result};
use crate::jobs::compact::{CompactOptions, execute, plan};

use super::args::Compact;
use super::session::Session;

/// Makes the plan, and carries it out unless it is only to be shown.
pub async fn run(session: &Session, args: &Compact) -> Result<()> {
    let budget = args.budget.map(Duration::from_std).transpose();
    let budget = budget.map_err(|error| Error::invalid("--budget is out of range").with_source(error))?;
    let options = CompactOptions { budget, ..session.compact_options() };
    let warehouse = session.warehouse().await?;
    let planned = plan(&warehouse, &options);
    if args.dry_run {
        return session.answer(&planned.await?);
    }
    let progress = session.progress()?;
    session.job(&warehouse, "compact", planned, |plan, _| execute(&warehouse, plan, &options, progress)).await
}
