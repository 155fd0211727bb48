//! `ier vacuum`: deletes files that no table uses any more, when confirmed.

use crate::error::Result;
use crate::jobs::vacuum::{checked_retention, execute, plan};

use super::args::Vacuum;
use super::session::Session;

/// Makes the plan, and carries it out when confirmed.
pub async fn run(session: &Session, args: &Vacuum) -> Result<()> {
    let retain = checked_retention(args.retain, args.even_while_jobs_run)?;
    let warehouse = session.warehouse().await?;
    let planned = plan(&warehouse, retain);
    if !args.confirm {
        return session.unconfirmed(&planned.await?, "nothing was deleted; add --confirm to delete");
    }
    session.believe(&warehouse, args.clock, "vacuum").await?;
    let progress = session.progress()?;
    session.job(&warehouse, "vacuum", planned, |plan, _| execute(plan, progress)).await
}
