//! Keeps two kinds of jobs apart: those that remove rows from both tiers, and archive runs, which move rows from hot to the
//! archive.
//!
//! **Why.** Both need two commits. To remove a late row, a job first removes the archived copy that the late row hides (otherwise
//! that copy would show again), and then the row in hot. An archive run first copies rows to the archive, and then removes them
//! from hot. If one works between the two commits of the other, a removed row may come back, because the run had read it in hot
//! before; or the last copy of a row may be lost, because the run does not know that the archived copy is gone.
//!
//! **How.** A job *claims* the version of hot from which it is about to remove rows. The claim is an application transaction of the
//! archive ([`HOT_CLAIM`]).
//!
//! **A job that removes rows from hot**
//! 1. It pins both tiers and decides. If archived copies are among the rows, it calls [`claim`], then pins and decides again, until
//!    the pinned archive is the claimed one. From then on no archive run can finish that began before: a run that has committed to
//!    the archive finds the claim before it removes rows from hot. It even does so if it had already looked, because [`claim`] also
//!    commits to hot.
//! 2. It commits to the archive with [`transactions`], even if nothing is removed there. So a run that read hot before loses its
//!    race.
//! 3. It commits to hot, on the pinned version. If anybody has committed since, it begins again.
//!
//! **An archive run** (see [`crate::jobs::archive`])
//! 1. It pins both tiers. If the claim is on the pinned version of hot ([`is_on`]), it commits to hot, so that the removal under
//!    way loses its race, and pins again.
//! 2. Before it removes rows from hot, it reads the newest hot, and then checks that the claim is still the one that its own commit
//!    to the archive had. If not, it begins again.
//!
//! A process that died may leave a claim. It disturbs nobody, because the version of hot that it names is soon not the newest.

use std::sync::Arc;

use super::pin::Pinned;
use super::warehouse::{Tiers, Warehouse};
use crate::error::Result;
use crate::lake::log::commit::{Change, commit, fence, lost_race};
use crate::lake::log::table::{HOT_CLAIM, HOT_VERSION};

/// What a commit to the archive carries when rows of the pinned hot are about to be removed.
pub fn transactions(pinned: &Pinned) -> Vec<(&'static str, i64)> {
    vec![built_from(pinned), (HOT_CLAIM, version(pinned))]
}

/// What a commit to the archive carries that was decided by the pinned hot: a reader must not pin an older one with it.
pub fn built_from(pinned: &Pinned) -> (&'static str, i64) {
    (HOT_VERSION, version(pinned))
}

fn version(pinned: &Pinned) -> i64 {
    pinned.hot.version.map_or(-1, |version| version as i64)
}

/// Claims the pinned hot and makes what others prepared on it lose its race. Returns the archive's version that carries the
/// claim; `None` when others came first: pin again.
pub async fn claim(warehouse: &Arc<Warehouse>, tiers: &Tiers, pinned: &Pinned, operation: &'static str) -> Result<Option<u64>> {
    let change = Change { transactions: transactions(pinned), operation, ..Change::default() };
    let claimed = match commit(&tiers.archive, &pinned.archive, change, warehouse.clock().as_ref()).await {
        Err(error) if lost_race(&error) => return Ok(None),
        done => done?,
    };
    fence(&tiers.hot, operation, warehouse.clock().as_ref()).await?;
    Ok(claimed.version)
}

/// The version of hot that is claimed in the pinned archive, if one ever was.
pub async fn of(tiers: &Tiers, pinned: &Pinned) -> Result<Option<i64>> {
    tiers.archive.transaction(&pinned.archive, HOT_CLAIM).await
}

/// Is the claim on the very hot that is pinned?
pub fn is_on(claim: Option<i64>, pinned: &Pinned) -> bool {
    claim.is_some() && pinned.hot.version.is_some() && claim == Some(version(pinned))
}

/// Is the claim in the newest archive another one than this?
pub async fn is_other(tiers: &Tiers, claim: Option<i64>) -> Result<bool> {
    let newest = tiers.archive.snapshot().await?;
    Ok(tiers.archive.transaction(&newest, HOT_CLAIM).await? != claim)
}
