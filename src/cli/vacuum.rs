//! `ier vacuum`: files no table uses any more are deleted, when confirmed.

use chrono::Duration;

use crate::error::{Error, Result};
use crate::jobs::vacuum::{execute, plan};

use super::args::Vacuum;
use super::progress::Unit;
use super::{Session, print};

/// Plans, and only when confirmed deletes.
pub async fn run(session: &Session, args: &Vacuum) -> Result<()> {
    let retain = Duration::from_std(args.retain);
    let retain = retain.map_err(|error| Error::invalid("--retain is out of range").with_source(error))?;
    let warehouse = session.warehouse().await?;
    let planned = plan(&warehouse, retain);
    if !args.confirm {
        session.answer(&planned.await?)?;
        return if session.global.json { Ok(()) } else { print::line("nothing was deleted; add --confirm to delete") };
    }
    let progress = session.progress(Unit::Rows)?;
    session.job(&warehouse, "vacuum", |_| async { execute(planned.await?, progress).await }).await
}
