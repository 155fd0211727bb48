//! `ier verify --erased`: searches all objects for texts that should be gone, such as the ids of an erased person.

use crate::error::{Error, Result};
use crate::human::counted;
use crate::jobs::traces::{execute, plan};

use super::session::Session;

/// Searches for ids, addresses or names, names each object that holds any of the texts, and fails when there is one.
pub async fn run(session: &Session, texts: &[String]) -> Result<()> {
    let warehouse = session.warehouse().await?;
    let plan = plan(&warehouse, texts).await?;
    let report = execute(&warehouse, plan, session.progress()?).await?;
    session.answer(&report)?;
    match (report.holding() as u64, report.unreadable.len() as u64) {
        (0, 0) => Ok(()),
        (0, unreadable) => Err(Error::corrupt(phrase!("{} cannot be searched", counted(unreadable, "object")))),
        (holding, _) => Err(Error::corrupt(phrase!("{} still hold what should be gone", counted(holding, "object")))),
    }
}
