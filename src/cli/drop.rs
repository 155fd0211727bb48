//! `ier drop`: removes a table of people's attributes, when confirmed.

use crate::error::Result;
use crate::jobs::drop::{execute, plan};

use super::args::Drop;
use super::session::Session;

/// Makes the plan, and carries it out when confirmed.
pub async fn run(session: &Session, args: &Drop) -> Result<()> {
    let warehouse = session.warehouse().await?;
    let planned = plan(&warehouse, &args.table);
    if !args.confirm {
        return session.unconfirmed(&planned.await?, "nothing was dropped; add --confirm to drop it");
    }
    let dropped = |plan, _| {
        let warehouse = warehouse.clone();
        async move { execute(&warehouse, &plan).await }
    };
    session.job(&warehouse, "drop", planned, dropped).await
}
