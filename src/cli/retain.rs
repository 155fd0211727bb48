//! `ier retain`: removes records that have outlived their term, when confirmed.

use crate::error::Result;
use crate::jobs::retain::{execute, plan};

use super::args::RetainArgs;
use super::session::Session;

/// Makes the plan, and carries it out when confirmed.
pub async fn run(session: &Session, args: &RetainArgs) -> Result<()> {
    let warehouse = session.warehouse().await?;
    let planned = plan(&warehouse, &session.settings.retain);
    if !args.confirm {
        return session.unconfirmed(&planned.await?, "nothing was removed; add --confirm to remove");
    }
    session.believe(&warehouse, args.clock, "retain").await?;
    let progress = session.progress()?;
    session.job(&warehouse, "retain", planned, |plan, _| execute(&warehouse, plan, progress)).await
}
