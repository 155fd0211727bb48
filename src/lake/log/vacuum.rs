//! Deletes files that no snapshot needs any more: replaced files past their retention, and garbage of failed commits.

use std::collections::HashSet;

use chrono::Duration;
use futures::TryStreamExt;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::table::LakeTable;
use super::tally;
use crate::clock::Clock;
use crate::error::{Context, Result};
use crate::lake::paths::{self, is_log, is_temporary};

/// For so many days logs say when a file was taken out of its table: then their entries may be gone. Longer patience than this
/// could not be kept.
pub const REMOVALS_KNOWN_DAYS: i64 = 30;

/// Objects under the table's folder that may go at `now`: not live, outside the log (but for entries that never got their
/// name), and neither written nor removed from the table within `retain` (readers may still be reading them, writers may be
/// about to commit them).
pub async fn plan(table: &LakeTable, retain: Duration, clock: &dyn Clock) -> Result<Vec<ObjectMeta>> {
    // The listing comes first: a file committed after it is not in it.
    let doing = || format!("cannot list {}", table.name());
    let objects: Vec<ObjectMeta> = table.store.list(Some(&table.folder)).try_collect().await.context(doing)?;
    let snapshot = table.snapshot().await?;
    let mut live: HashSet<Path> = snapshot.files().map(|file| file.path(&table.folder)).collect();
    live.extend(tally::live(table, &snapshot).await?);
    let cutoff = clock.now() - retain;
    let removed_lately = removed_since(table, &snapshot, cutoff.timestamp_millis()).await?;
    // A seal is needed as long as its checkpoint is there.
    let checkpoints: HashSet<String> = objects
        .iter()
        .filter(|object| is_log(&object.location) && !is_temporary(&object.location))
        .filter_map(|object| object.location.filename().map(str::to_owned))
        .collect();
    let seals = |object: &ObjectMeta| paths::sealed_checkpoint(&object.location).is_some_and(|name| checkpoints.contains(&name));
    Ok(objects
        .into_iter()
        .filter(|object| (!is_log(&object.location) || is_temporary(&object.location)) && !seals(object))
        .filter(|object| {
            object.last_modified < cutoff && !live.contains(&object.location) && !removed_lately.contains(&object.location)
        })
        .collect())
}

/// Files taken out of the table at or after a moment, read from the log entries still there.
async fn removed_since(table: &LakeTable, snapshot: &super::snapshot::Snapshot, since_millis: i64) -> Result<HashSet<Path>> {
    let mut removed = HashSet::new();
    let Some(newest) = snapshot.version else { return Ok(removed) };
    for version in (0..=newest).rev() {
        let Some(entry) = table.log_store.read_commit_entry(version).await? else { break };
        let mut newest_removal: Option<i64> = None;
        for line in entry.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let action: serde_json::Value = serde_json::from_slice(line).map_err(|error| {
                crate::error::Error::corrupt(phrase!("{}: unreadable log entry {version}: {error}", table.name()))
            })?;
            if let (Some(path), Some(at)) = (action["remove"]["path"].as_str(), action["remove"]["deletionTimestamp"].as_i64()) {
                newest_removal = newest_removal.max(Some(at));
                if at >= since_millis {
                    removed.insert(Path::from_iter(table.folder.parts().chain(Path::from(path).parts())));
                }
            }
        }
        if newest_removal.is_some_and(|at| at < since_millis) {
            break;
        }
    }
    Ok(removed)
}

/// Deletes the planned files, except those that a job has committed since.
pub async fn execute(table: &LakeTable, objects: &[ObjectMeta]) -> Result<()> {
    let snapshot = table.snapshot().await?;
    let mut live: HashSet<Path> = snapshot.files().map(|file| file.path(&table.folder)).collect();
    live.extend(tally::live(table, &snapshot).await?);
    for object in objects.iter().filter(|object| !live.contains(&object.location)) {
        table.delete(&object.location).await?;
    }
    Ok(())
}
