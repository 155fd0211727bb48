//! `ier reconcile`: checks that the books balance and that every record is stored once.

use std::future::ready;

use crate::error::Result;
use crate::jobs::reconcile::reconcile;

use super::args::Reconcile;
use super::print;
use super::session::Session;

/// Reports, repairs only when confirmed, and fails when a month does not balance or a record is stored more than once.
pub async fn run(session: &Session, args: &Reconcile) -> Result<()> {
    let (warehouse, engine) = session.warehouse_and_engine().await?;
    let progress = session.progress()?;
    let repair = args.repair && args.confirm;
    let done =
        session.job(&warehouse, "reconcile", ready(Ok(())), |(), _| reconcile(&warehouse, &engine, repair, &progress)).await;
    if args.repair && !args.confirm && !session.global.json && !session.global.quiet {
        print::line("nothing was repaired; add --confirm to repair")?;
    }
    done
}
