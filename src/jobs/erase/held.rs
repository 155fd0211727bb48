//! Does a legal hold stand against an erasure? Holds beat it, whatever they hold: the person, a send, a unit or a span of time.

use std::sync::Arc;

use super::find::Letters;
use crate::error::{Context, Error, Result};
use crate::ledgers::holds::{Hold, Holds};
use crate::tiers::warehouse::Warehouse;

/// Refuses when a hold that stands names one of these ids, whatever else narrows it, or covers one of these records.
///
/// # Errors
/// Invalid, naming the hold and its reason.
pub async fn held(warehouse: &Arc<Warehouse>, ids: &[String], letters: &Letters) -> Result<Unheld> {
    let holds = Holds::open(warehouse).await?;
    if let Some(hold) = holds.covering_people(ids).first() {
        return Err(keeps(hold));
    }
    for records in &letters.records {
        let cover = holds.cover(records)?;
        if let Some(hold) = holds.active().find(|hold| cover.by_hold.iter().any(|(id, _)| *id == hold.hold_id)) {
            return Err(keeps(hold));
        }
    }
    Ok(Unheld { holds, ids: ids.to_vec(), letters: letters.clone() })
}

/// Nothing stood against an erasure when it was looked.
#[derive(Debug)]
pub struct Unheld {
    holds: Holds,
    ids: Vec<String>,
    letters: Letters,
}

impl Unheld {
    /// Looks again, where holds or aliases have changed since.
    ///
    /// Called after the snapshot was taken on which rows are removed: `ier hold add` commits to each table after its ledger,
    /// so a hold that is not seen here makes that removal lose its race, and look again.
    ///
    /// # Errors
    /// Invalid, naming the hold and its reason.
    pub async fn still(&self, warehouse: &Arc<Warehouse>) -> Result<()> {
        if self.holds.still_stand(warehouse).await? {
            return Ok(());
        }
        held(warehouse, &self.ids, &self.letters).await.map(drop).context(|| "the erasure was begun, and stops here")
    }
}

fn keeps(hold: &Hold) -> Error {
    let (id, what) = (&hold.hold_id, hold.scope.words());
    Error::invalid(phrase!("nothing was erased: hold {id} keeps {what} (reason: {}); release it first", hold.placed.reason))
}
