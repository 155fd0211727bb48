//! `ier reconcile`: do the books balance?

use crate::error::Result;
use crate::jobs::reconcile::reconcile;

use super::Session;

/// Reports, and fails when a month does not balance.
pub async fn run(session: &Session) -> Result<()> {
    let (warehouse, engine) = session.house().await?;
    session.job(&warehouse, "reconcile", |_| reconcile(&warehouse, &engine)).await
}
