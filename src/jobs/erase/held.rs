//! Checks whether a legal hold forbids an erasure: a hold on the person, on a send, on a unit or on a span of time.

use std::sync::Arc;

use super::find::EmailRecords;
use crate::error::{Context, Error, Result};
use crate::ledgers::holds::{Hold, Holds};
use crate::tiers::warehouse::Warehouse;

/// Refuses when an active hold names one of these ids, whatever else narrows it, or covers one of these records.
///
/// # Errors
/// Invalid, naming the hold and its reason.
pub async fn held(warehouse: &Arc<Warehouse>, ids: &[String], email_records: &EmailRecords) -> Result<HoldCheck> {
    let holds = Holds::open(warehouse).await?;
    if let Some(hold) = holds.covering_people(ids).first() {
        return Err(keeps(hold));
    }
    for records in &email_records.records {
        let cover = holds.cover(records)?;
        if let Some(hold) = holds.active().find(|hold| cover.by_hold.iter().any(|(id, _)| *id == hold.hold_id)) {
            return Err(keeps(hold));
        }
    }
    Ok(HoldCheck { holds, ids: ids.to_vec(), email_records: email_records.clone() })
}

/// Proof that no hold forbade an erasure when it was checked.
#[derive(Debug)]
pub struct HoldCheck {
    holds: Holds,
    ids: Vec<String>,
    email_records: EmailRecords,
}

impl HoldCheck {
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
        held(warehouse, &self.ids, &self.email_records).await.map(drop).context(|| "the erasure was begun, and stops here")
    }
}

fn keeps(hold: &Hold) -> Error {
    let (id, what) = (&hold.hold_id, hold.scope.words());
    Error::invalid(phrase!("nothing was erased: hold {id} keeps {what} (reason: {}); release it first", hold.placed.reason))
}
