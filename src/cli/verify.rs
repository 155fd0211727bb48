//! `ier verify`: reads everything, names what is damaged, and fails if anything is. With `--erased` it searches for texts instead.
//! `--give-up` and `--undo-foreign` repair a damaged warehouse.

use crate::error::Result;
use crate::jobs::vacuum::checked_retention;
use crate::jobs::verify::{Choices, execute, plan};
use crate::jobs::{give_up, undo};

use super::args::Verify;
use super::session::Session;
use super::{print, traces};

/// Plans, reads, reports, also in the ledger of runs. The report comes before the error, so that each damaged object is named.
pub async fn run(session: &Session, args: &Verify) -> Result<()> {
    if !args.erased.is_empty() {
        return traces::run(session, &args.erased).await;
    }
    if args.give_up {
        return give_up(session, args).await;
    }
    if args.undo_foreign {
        return undo_foreign(session, args).await;
    }
    let sweep = args.sweep && args.confirm;
    let retain = checked_retention(args.retain, !sweep || args.even_while_jobs_run)?;
    let warehouse = session.warehouse().await?;
    let planned = plan(&warehouse, args.table.as_deref());
    if args.dry_run && !args.sweep {
        return session.answer(&planned.await?);
    }
    if sweep {
        session.believe(&warehouse, args.clock, "verify --sweep").await?;
    }
    let choices = Choices { look_up_key: session.settings.audit.key.clone(), retain, sweep };
    let progress = session.progress()?;
    let done = session.job(&warehouse, "verify", planned, |plan, _| execute(&warehouse, plan, choices, progress)).await;
    if args.sweep && !args.confirm {
        nothing(session, "nothing was deleted; add --confirm to delete")?;
    }
    done
}

/// Says what it did not do, to people.
fn nothing(session: &Session, what: &str) -> Result<()> {
    if session.global.json || session.global.quiet { Ok(()) } else { print::line(what) }
}

/// Takes dead files out of the logs, when confirmed.
async fn give_up(session: &Session, args: &Verify) -> Result<()> {
    let warehouse = session.warehouse().await?;
    let key = session.settings.audit.key.clone();
    let planned = give_up::plan(&warehouse, args.table.as_deref(), key, session.progress()?);
    if !args.confirm {
        session.answer(&planned.await?)?;
        return nothing(session, "nothing was given up; add --confirm to give up");
    }
    let author = session.settings.audit.who.clone();
    session.job(&warehouse, "give_up", planned, |plan, _| give_up::execute(&warehouse, plan, &author)).await
}

/// Takes back what others wrote, when confirmed.
async fn undo_foreign(session: &Session, args: &Verify) -> Result<()> {
    let warehouse = session.warehouse().await?;
    let planned = undo::plan(&warehouse);
    if !args.confirm {
        session.answer(&planned.await?)?;
        return nothing(session, "nothing was taken back; add --confirm to take back");
    }
    session.job(&warehouse, "undo_foreign", planned, |plan, _| undo::execute(plan)).await
}
