//! `ier verify`: reads everything, names what is damaged, and fails when anything is. With `--erased` it searches instead.

use chrono::Duration;

use crate::error::{Error, Result};
use crate::jobs::verify::{Choices, execute, plan};

use super::args::Verify;
use super::progress::Unit;
use super::{Session, print, traces};

/// Plans, reads, reports, also in the ledger of runs. The report comes before the error, so that each damaged object is named.
pub async fn run(session: &Session, args: &Verify) -> Result<()> {
    if !args.erased.is_empty() {
        return traces::run(session, &args.erased).await;
    }
    let retain = Duration::from_std(args.retain);
    let retain = retain.map_err(|error| Error::invalid("--retain is out of range").with_source(error))?;
    let warehouse = session.warehouse().await?;
    let plan = plan(&warehouse, args.table.as_deref()).await?;
    if args.dry_run {
        return session.answer(&plan);
    }
    let choices = Choices { look_up_key: session.settings.audit.key.clone(), retain, sweep: args.sweep && args.confirm };
    let progress = session.progress(Unit::Bytes)?;
    let done = session.job(&warehouse, "verify", |_| execute(&warehouse, plan, choices, progress)).await;
    if args.sweep && !args.confirm && !session.global.json && !session.global.quiet {
        print::line("nothing was deleted; add --confirm to delete")?;
    }
    done
}
