//! The purge: deletes from the store what a table held and was made to forget.
//!
//! A commit that removes rows leaves their old files, and the log still tells the bounds of these files. So the purge deletes the
//! files, deletes old checkpoints once there is one of the newest version, and writes log entries anew without the bounds of
//! files that are no longer live.
//!
//! **Invariant**: no log entry is deleted. A writer that has prepared a change on an old version commits by creating the entry
//! with the next number. If that entry were deleted, the commit would succeed where no reader looks, and a reader that waits for
//! that number would wait for ever. Entries are deleted later, after a checkpoint.
//!
//! **Which files.** A file that an entry removed, at or before a version, is deleted; its readers have to ask again. A file that
//! no entry names is either garbage of a failed run or about to be committed, and its age does not tell which. Its rows do: a
//! file with a row that is refused now can never be committed (see `tiers::suppressed`), so it is deleted; so is a file that
//! cannot be read at all. All others are left to vacuum.

use std::collections::{HashMap, HashSet};

use arrow::array::RecordBatch;
use bytes::Bytes;
use deltalake_core::DeltaTable;
use deltalake_core::protocol::checkpoints::create_checkpoint;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload, Result as StoreResult, UpdateVersion};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::seal;
use super::snapshot::Snapshot;
use super::table::LakeTable;
use crate::error::{Context, Error, Kind, Result};
use crate::lake::file::open;
use crate::lake::paths::{self, LOG};

/// Log entries read at once.
const READS: usize = 16;

/// The result of a purge of one table.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Purged {
    /// Data files deleted, and log entries that never got their name.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Log entries written anew without the bounds of files that are gone.
    pub log_entries: u64,
    /// Checkpoints deleted.
    pub checkpoints: u64,
    /// Files no log entry names that were left: they hold nobody erased, and may be about to be committed.
    pub files_left: u64,
}

/// Tells whether a batch holds a row that is refused.
pub type IsRefused<'a> = &'a (dyn Fn(&RecordBatch) -> Result<bool> + Send + Sync);

/// Purges a table of what it removed at or before a version. `columns` are those `refuses` looks at.
///
/// Safe to run twice, and at once with any other: a reader of an older version may find its files gone.
pub async fn purge(table: &LakeTable, until: Option<u64>, columns: &[&str], refuses: IsRefused<'_>) -> Result<Purged> {
    // The listing comes first: a file committed after it is not in it.
    let listing = || format!("cannot list {}", table.name());
    let objects: Vec<ObjectMeta> = table.store.list(Some(&table.folder)).try_collect().await.context(listing)?;
    let snapshot = table.snapshot().await?;
    let log = table.folder.clone().join(LOG);
    let (log, data): (Vec<ObjectMeta>, Vec<ObjectMeta>) =
        objects.into_iter().partition(|object| object.location.prefix_matches(&log));
    let live: HashSet<&str> = snapshot.files().map(|file| file.add.path.as_str()).collect();
    let mut purged = Purged::default();
    // What was to become an entry holds the bounds of its files, too. Whoever is just about to give it its name writes it again.
    for object in log.iter().filter(|object| paths::is_temporary(&object.location)) {
        table.delete(&object.location).await?;
        purged.files += 1;
        purged.bytes += object.size;
    }
    let removed = rewrite_entries(table, &log, &live, &mut purged).await?;
    drop_checkpoints(table, &log, &snapshot, &mut purged).await?;
    for object in data {
        let path = below(table, &object.location)?;
        // What lies in folders of our own bookkeeping, tallies say, are no rows.
        if live.contains(path.as_str()) || path.starts_with('_') {
            continue;
        }
        let goes = match removed.get(&path) {
            Some(version) => until.is_some_and(|until| *version <= until),
            None => is_garbage(table, &object, columns, refuses).await?,
        };
        if goes {
            table.delete(&object.location).await?;
            purged.files += 1;
            purged.bytes += object.size;
        } else if !removed.contains_key(&path) {
            purged.files_left += 1;
        }
    }
    Ok(purged)
}

/// How many files a purge of what a table removed at or before a version would delete. Changes nothing, and judges no file by its
/// rows.
pub async fn would_go(table: &LakeTable, until: u64) -> Result<u64> {
    let listing = || format!("cannot list {}", table.name());
    let objects: Vec<ObjectMeta> = table.store.list(Some(&table.folder)).try_collect().await.context(listing)?;
    let snapshot = table.snapshot().await?;
    let live: HashSet<&str> = snapshot.files().map(|file| file.add.path.as_str()).collect();
    let mut removed: HashSet<String> = HashSet::new();
    for version in (0..=snapshot.version.unwrap_or_default().min(until)).rev() {
        // Earlier ones were cleaned up.
        let Some(entry) = table.log_store.read_commit_entry(version).await? else { break };
        for line in entry.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let action: Value = serde_json::from_slice(line)
                .map_err(|error| Error::corrupt(phrase!("{}: unreadable log entry {version}: {error}", table.name())))?;
            removed.extend(action["remove"]["path"].as_str().filter(|path| !live.contains(path)).map(str::to_owned));
        }
    }
    let mut files = 0;
    for object in &objects {
        files += u64::from(removed.contains(&below(table, &object.location)?));
    }
    Ok(files)
}

/// A place as the log names it.
fn below(table: &LakeTable, location: &Path) -> Result<String> {
    let parts = location.prefix_match(&table.folder);
    let parts = parts.ok_or_else(|| Error::internal(phrase!("{location} is not below {}", table.folder)))?;
    Ok(Path::from_iter(parts).to_string())
}

/// Takes the bounds of files that are not live out of the log's entries; returns which version removed which file.
async fn rewrite_entries(
    table: &LakeTable,
    log: &[ObjectMeta],
    live: &HashSet<&str>,
    purged: &mut Purged,
) -> Result<HashMap<String, u64>> {
    let version = |object: &ObjectMeta| object.location.filename().and_then(paths::log_version);
    let entries: Vec<(u64, Path)> = log
        .iter()
        .filter_map(|object| match version(object)? {
            (version, false) => Some((version, object.location.clone())),
            _ => None,
        })
        .collect();
    let mut read = futures::stream::iter(entries)
        .map(|(version, place)| {
            let store = table.store.clone();
            async move { Ok::<_, Error>(fetched(store.as_ref(), &place).await?.map(|found| (version, place, found))) }
        })
        .buffered(READS);
    let mut removed = HashMap::new();
    while let Some(entry) = read.try_next().await? {
        let Some((version, place, found)) = entry else { continue };
        let mut found = Some(found);
        // Once more where somebody else has written it anew meanwhile.
        while let Some((bytes, etag)) = found.take() {
            // What is damaged, or another's, is not to be sealed as if it were sound.
            let name = table.sealed_name(&place);
            seal::check(&bytes).map_err(|broken| seal::damage(&place, &broken))?;
            table.markers.check_belongs(&name, &bytes).await?.map_err(|broken| seal::damage(&place, &broken))?;
            let belongs = table.markers.known().await?.map(|marker| marker.place_of(name).text());
            let Some(text) = forgetful(&bytes, &place, version, live, belongs, &mut removed)? else { break };
            let sealed = seal::sealed(text.as_bytes());
            let sealed = sealed.ok_or_else(|| Error::internal(phrase!("{place} has lost the place of its seal")))?;
            match replaced(table.store.as_ref(), &place, sealed.into(), etag).await.context(|| phrase!("cannot write {place}"))? {
                true => purged.log_entries += 1,
                false => found = fetched(table.store.as_ref(), &place).await?,
            }
        }
    }
    Ok(removed)
}

/// An object's bytes and its version; none when a clean-up has deleted it.
async fn fetched(store: &dyn ObjectStore, place: &Path) -> Result<Option<(Bytes, UpdateVersion)>> {
    let found = async {
        let found = store.get(place).await?;
        let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        Ok((found.bytes().await?, version))
    };
    match found.await {
        Ok(found) => Ok(Some(found)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(Error::from(error).context(phrase!("cannot read {place}"))),
    }
}

/// Writes over an object that is still what it was; `false` where it is not. One that was cleaned up must not come back: it
/// would be an entry that no other follows.
async fn replaced(store: &dyn ObjectStore, place: &Path, bytes: PutPayload, was: UpdateVersion) -> StoreResult<bool> {
    match store.put_opts(place, bytes.clone(), PutMode::Update(was).into()).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. }) => Ok(false),
        // A local disk knows no conditions.
        Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {
            match store.head(place).await {
                Ok(_) => store.put(place, bytes).await.map(|_| true),
                Err(object_store::Error::NotFound { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// An entry without the bounds of files that are not live, where it has some; notes which files it removed.
fn forgetful(
    bytes: &[u8],
    place: &Path,
    version: u64,
    live: &HashSet<&str>,
    belongs: Option<String>,
    removed: &mut HashMap<String, u64>,
) -> Result<Option<String>> {
    let mut lines: Vec<String> = Vec::new();
    let mut changed = false;
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let mut action: Value =
            serde_json::from_slice(line).map_err(|error| Error::corrupt(phrase!("unreadable log entry {place}: {error}")))?;
        if let Some(path) = action["remove"]["path"].as_str() {
            removed.insert(path.to_owned(), version);
        }
        if action["add"]["path"].as_str().is_some_and(|path| !live.contains(path))
            && let Some(bare) = without_bounds(action["add"]["stats"].as_str())
        {
            action["add"]["stats"] = bare.into();
            changed = true;
        }
        // What was written before entries said where they belong says so from now on: its seal is no longer the one it had.
        if let (Some(info), Some(belongs)) = (action["commitInfo"].as_object_mut(), &belongs) {
            info.insert(seal::BELONGS.to_owned(), belongs.as_str().into());
        }
        lines.push(action.to_string());
    }
    Ok(changed.then(|| lines.join("\n") + "\n"))
}

/// Statistics with the number of rows only; `None` when they say no more than that.
fn without_bounds(stats: Option<&str>) -> Option<String> {
    let stats: Value = serde_json::from_str(stats?).ok()?;
    let fields = stats.as_object()?;
    (fields.len() > 1).then(|| serde_json::json!({ "numRecords": stats["numRecords"] }).to_string())
}

/// Deletes checkpoints of older versions, once there is one of the newest.
async fn drop_checkpoints(table: &LakeTable, log: &[ObjectMeta], snapshot: &Snapshot, purged: &mut Purged) -> Result<()> {
    let (Some(newest), Some(state)) = (snapshot.version, &snapshot.state) else { return Ok(()) };
    let checkpoints: Vec<(u64, &Path)> = log
        .iter()
        .filter_map(|object| match object.location.filename().and_then(paths::log_version)? {
            (version, true) => Some((version, &object.location)),
            _ => None,
        })
        .collect();
    if checkpoints.iter().all(|(version, _)| *version >= newest) {
        return Ok(());
    }
    if checkpoints.iter().all(|(version, _)| *version != newest) {
        let mut delta = DeltaTable::new(table.log_store.clone());
        delta.state = Some(state.clone());
        create_checkpoint(&delta, None).await.context(|| phrase!("cannot write a checkpoint of {}", table.name()))?;
    }
    for (_, place) in checkpoints.into_iter().filter(|(version, _)| *version < newest) {
        table.delete(place).await?;
        purged.checkpoints += 1;
    }
    Ok(())
}

/// Is a file no log entry names one that can never be committed?
async fn is_garbage(table: &LakeTable, object: &ObjectMeta, columns: &[&str], refuses: IsRefused<'_>) -> Result<bool> {
    let search = async {
        let file = open::open_at(table.table.clone(), table.store.clone(), object.location.clone(), object.size).await?;
        let mut rows = file.stream(Some(columns), None)?;
        while let Some(batch) = rows.try_next().await? {
            if refuses(&batch)? {
                return Ok::<_, Error>(true);
            }
        }
        Ok(false)
    };
    match search.await {
        // Deleted by somebody else since it was listed.
        Err(error) if error.is_missing() => Ok(false),
        Err(error) if error.kind() == Kind::Corrupt => Ok(true),
        found => found,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use object_store::local::LocalFileSystem;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn an_entry_that_was_cleaned_up_meanwhile_does_not_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let stores: [Box<dyn ObjectStore>; 2] =
            [Box::new(InMemory::new()), Box::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap())];
        for store in stores {
            let place = Path::from("_delta_log/00000000000000000003.json");
            store.put(&place, "as it was".into()).await.unwrap();
            let (_, was) = fetched(store.as_ref(), &place).await.unwrap().unwrap();
            assert!(replaced(store.as_ref(), &place, "anew".into(), was).await.unwrap());
            let (bytes, was) = fetched(store.as_ref(), &place).await.unwrap().unwrap();
            assert_eq!(bytes, "anew");
            store.delete(&place).await.unwrap();
            assert!(!replaced(store.as_ref(), &place, "anew again".into(), was).await.unwrap());
            assert!(fetched(store.as_ref(), &place).await.unwrap().is_none());
        }
    }
}
