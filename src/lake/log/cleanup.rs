//! Cleans up a table's log: entries and checkpoints that no reader needs are deleted when they are thirty days old.
//!
//! It runs after each commit that wrote a checkpoint. It keeps everything younger, and the newest checkpoint that is older than
//! that with all entries after it.
//!
//! **Invariant**: log entries are deleted in order, the oldest first. So a process that finds an entry knows that no later entry
//! was ever deleted. Readers prove by this that their snapshot is the newest, and writers that their commit is part of the
//! table's history ([`super::table::LakeTable::snapshot`], [`super::commit`]). A clean-up that is stopped, or that runs twice at
//! once, keeps the order. The Delta crate's own clean-up deletes in any order and uses another clock.

use chrono::{DateTime, Duration, Utc};
use futures::TryStreamExt;
use object_store::ObjectMeta;

use super::table::LakeTable;
use crate::error::{Context, Result};
use crate::lake::paths::{self, LogObject};

/// How long log entries stay; the Delta protocol's default, which other engines count on.
pub const LOG_RETENTION: Duration = Duration::days(30);

/// Entries and checkpoints of a log, by version.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    pub entries: Vec<(u64, ObjectMeta)>,
    pub checkpoints: Vec<(u64, ObjectMeta)>,
}

/// Lists a table's log.
pub(crate) async fn versions(table: &LakeTable) -> Result<Versions> {
    let folder = table.folder.clone().join(paths::LOG);
    let listed: Vec<ObjectMeta> =
        table.store.list(Some(&folder)).try_collect().await.context(|| phrase!("cannot list {folder}"))?;
    let mut versions = Versions::default();
    for object in listed {
        match paths::log_object(&object.location) {
            Some(LogObject::Entry(version)) => versions.entries.push((version, object)),
            Some(LogObject::Checkpoint(version)) => versions.checkpoints.push((version, object)),
            Some(LogObject::LastCheckpoint) | None => {}
        }
    }
    versions.entries.sort_by_key(|(version, _)| *version);
    versions.checkpoints.sort_by_key(|(version, _)| *version);
    Ok(versions)
}

/// Deletes objects that are older than [`LOG_RETENTION`] at `now` and not needed to read younger ones.
///
/// # Errors
/// Unavailable when the store does not answer; what is left goes with the next clean-up.
pub(crate) async fn clean_up(table: &LakeTable, now: DateTime<Utc>) -> Result<()> {
    let Versions { entries, checkpoints } = versions(table).await?;
    let Some((newest, newest_entry)) = entries.last() else { return Ok(()) };
    // It has just been written: a clock of ours that is ahead of the store's makes nothing older than it is.
    let now = now.min(newest_entry.last_modified);
    let is_old = |object: &ObjectMeta| object.last_modified < now - LOG_RETENTION;
    let first_young = entries.iter().find(|(_, object)| !is_old(object)).map_or(*newest, |(version, _)| *version);
    let Some((kept, _)) = checkpoints.iter().rfind(|(version, _)| *version <= first_young) else { return Ok(()) };
    for (version, object) in entries.iter().chain(&checkpoints) {
        if version < kept && is_old(object) {
            table.delete(&object.location).await?;
        }
    }
    Ok(())
}
