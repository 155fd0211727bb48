//! Removing rows from both tiers while an archive run may be moving them: who may touch what, and when.
//!
//! Removing a late row takes two commits: the archived copy it hides first, else that one would show again; then the row in hot.
//! An archive run takes two commits, too: it copies rows to the archive, then hot forgets them. Between each other's two, either
//! could undo the other: the run brings back what it read in hot before it was removed there; or hot forgets the last copy of a
//! row, because the run does not know that the archived one is gone. What keeps them apart is a *claim*, an application
//! transaction of the archive ([`HOT_CLAIM`]): the version of hot somebody is about to remove rows from.
//!
//! **Who removes from hot**
//! 1. Pin both tiers and decide. Where archived copies are among what goes, [`claim`] first, pin and decide again, until the
//!    archive pinned is the one claimed. So no run is any more between its two commits: one that committed to the archive before
//!    the claim finds it in the way when it wants hot to forget, even if it had looked before, for `claim` also commits to hot.
//! 2. Commit to the archive, be it of nothing else, with [`transactions`]: a run that read hot before loses its race.
//! 3. Commit to hot on the pinned version. Whoever came between wins, and all begins again.
//!
//! **Who moves rows to the archive** (see [`crate::jobs::archive`])
//! 1. Pins, and where the claim is on the very version of hot pinned ([`is_on`]) commits to hot, so that a removal under way
//!    loses its race, and pins again.
//! 2. Before hot forgets, having read the newest hot, looks whether the claim is still that of its own commit to the archive; if
//!    not, begins again.
//!
//! A claim left by a process that died is in nobody's way: the version of hot it names is soon not the newest.

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
