//! Pinning both tiers at one moment (Rule 7).

use std::sync::Arc;

use super::warehouse::Tiers;
use crate::error::{Error, Result};
use crate::lake::snapshot::Snapshot;
use crate::lake::table::{ARCHIVED_UNTIL, HOT_VERSION};

/// Snapshots of both tiers that together hold every row exactly once.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The hot tier's.
    pub hot: Arc<Snapshot>,
    /// The archive's.
    pub archive: Arc<Snapshot>,
}

impl Pinned {
    /// Rows sent before this day (since 1970) belong to the archive; hot ones among them are late.
    pub fn archived_until(&self) -> Option<i32> {
        self.archive.transaction(ARCHIVED_UNTIL).and_then(|day| i32::try_from(day).ok())
    }

    /// Does the hot tier's file hold late rows?
    pub fn is_late(&self, file: &crate::lake::snapshot::DataFile) -> bool {
        let before = file.partition.0.is_some_and(|day| self.archived_until().is_some_and(|until| day < until));
        before || file.late_days().next().is_some()
    }
}

/// How often a reader may find that the archive has moved on before it gives up.
const TRIES: usize = 100;

/// Pins the hot snapshot first, then the archive's.
///
/// **Invariant**: the hot snapshot is at least as new as the one the pinned archive was built from. Otherwise a row whose
/// date was corrected between the two could show in both places; the reader then looks at hot again, and because hot may
/// by then have forgotten what a still newer archive holds, at the archive too.
pub async fn pin(tiers: &Tiers) -> Result<Pinned> {
    let mut hot = tiers.hot.snapshot().await?;
    for _ in 0..TRIES {
        let archive = tiers.archive.snapshot().await?;
        let built_from = archive.transaction(HOT_VERSION);
        if built_from.is_none_or(|version| hot.version.is_some_and(|hot| hot as i64 >= version)) {
            return Ok(Pinned { hot, archive });
        }
        hot = tiers.hot.snapshot().await?;
    }
    Err(Error::unavailable(format!("{} is archived faster than it can be read: try again", tiers.hot.table.name)))
}
