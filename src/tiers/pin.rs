//! Pins both tiers at one moment: two snapshots that together hold every row exactly once (Rule 7).

use std::sync::Arc;

use arrow::array::Array;
use futures::TryStreamExt;
use hashbrown::HashSet;

use super::warehouse::Tiers;
use crate::error::{Error, Result};
use crate::lake::columns::keys;
use crate::lake::log::snapshot::{DataFile, Snapshot};
use crate::lake::log::table::{ARCHIVED_UNTIL, HOT_VERSION, LakeTable};
use crate::lake::read;
use crate::record::fields::hidden;

/// Snapshots of both tiers that together hold every row exactly once.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The hot tier's.
    pub hot: Arc<Snapshot>,
    /// The archive's.
    pub archive: Arc<Snapshot>,
}

impl Pinned {
    /// The versions pinned, of hot and archive.
    pub fn versions(&self) -> (Option<u64>, Option<u64>) {
        (self.hot.version, self.archive.version)
    }

    /// Did this go wrong only because others have committed since, and deleted files that were pinned? Then pin anew.
    pub async fn is_past(&self, tiers: &Tiers, error: &Error) -> Result<bool> {
        Ok(error.is_missing() && pin(tiers).await?.versions() != self.versions())
    }

    /// The same of a table that may have one lake only: see [`pin_all`].
    pub async fn is_past_of(&self, lake: &Arc<LakeTable>, tiers: Option<&Tiers>, error: &Error) -> Result<bool> {
        Ok(error.is_missing() && pin_all(lake, tiers).await?.versions() != self.versions())
    }

    /// Rows sent before this day (since 1970) belong to the archive; hot ones among them are late.
    pub fn archived_until(&self) -> Option<i32> {
        self.archive.transaction(ARCHIVED_UNTIL).and_then(|day| i32::try_from(day).ok())
    }

    /// Does the hot tier's file hold late rows?
    pub fn is_late(&self, file: &DataFile) -> bool {
        self.is_before(file) || file.late_days().next().is_some()
    }

    /// Does the hot tier's file hold a day that belongs to the archive, so that all its rows are late?
    pub fn is_before(&self, file: &DataFile) -> bool {
        file.partition.0.is_some_and(|day| self.archived_until().is_some_and(|until| day < until))
    }

    /// The keys of all late rows: those of days before the boundary, and marked ones of others.
    pub async fn late_keys(&self, hot: &LakeTable) -> Result<HashSet<String>> {
        let mut late = HashSet::new();
        for file in self.hot.files().filter(|file| self.is_late(file)) {
            let before = self.is_before(file);
            let mut rows = read::open(hot, file).await?.stream(Some(&[hidden::KEY, hidden::LATE]), None)?;
            while let Some(batch) = rows.try_next().await? {
                let keys = keys(&batch)?;
                let marks = batch.column(1);
                late.extend((0..keys.len()).filter(|row| before || marks.is_valid(*row)).map(|row| keys.value(row).to_owned()));
            }
        }
        Ok(late)
    }
}

/// Pins both tiers of a table that has them, else its one lake, in hot's place.
pub async fn pin_all(lake: &Arc<LakeTable>, tiers: Option<&Tiers>) -> Result<Pinned> {
    match tiers {
        Some(tiers) => pin(tiers).await,
        None => Ok(Pinned { hot: lake.snapshot().await?, archive: Arc::default() }),
    }
}

/// How often a reader may find that the archive has moved on before it gives up.
const TRIES: usize = 100;

/// Pins the hot snapshot first, then the archive's.
///
/// **Invariant**: the hot snapshot is at least as new as the one the pinned archive was built from. Otherwise a row whose
/// date was corrected between the two could show in both places; the reader then looks at hot again, and because hot may
/// by then have forgotten what a still newer archive holds, at the archive too.
///
/// Both are asked at once where both are known: when neither has changed since it was last looked at, there was a moment in
/// between at which both were the newest.
pub async fn pin(tiers: &Tiers) -> Result<Pinned> {
    if let (Some(hot), Some(archive)) = (tiers.hot.known().await, tiers.archive.known().await) {
        let (hot_now, archive_now) = tokio::try_join!(tiers.hot.snapshot(), tiers.archive.snapshot())?;
        if hot.version == hot_now.version && archive.version == archive_now.version {
            return Ok(Pinned { hot: hot_now, archive: archive_now });
        }
    }
    let mut hot = tiers.hot.snapshot().await?;
    for _ in 0..TRIES {
        let archive = tiers.archive.snapshot().await?;
        let built_from = archive.transaction(HOT_VERSION);
        if built_from.is_none_or(|version| hot.version.is_some_and(|hot| hot as i64 >= version)) {
            return Ok(Pinned { hot, archive });
        }
        hot = tiers.hot.snapshot().await?;
    }
    Err(Error::unavailable(phrase!("{} is archived faster than it can be read: try again", tiers.hot.table.name)))
}
