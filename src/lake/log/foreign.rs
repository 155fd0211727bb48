//! Finds what other engines wrote into a table's log, and takes it back.
//!
//! The tables are open: another engine with write access can commit to one. It does not seal its entries, so readers refuse the
//! table from then on, and this engine commits nothing on top. **So foreign entries are always the newest of the log**, and can
//! be taken back: they are deleted, the newest first, with the checkpoints and other notes they left in the log, and the table is
//! as it was. Files that they added become garbage like those of a failed run; files that they deleted stay deleted.
//!
//! An entry is foreign when it has no seal, can be read, and bears none of our names. An entry of ours that lost its seal by
//! damage still bears them. Nothing is taken back when an entry of ours stands above a foreign one or is damaged: then the log
//! has to be restored.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use serde::Serialize;

use super::authorship::{Author, written};
use super::root::Root;
use super::seal::{self, SealError};
use super::sealed;
use super::table::LakeTable;
use crate::error::{Context, Error, Kind, Result};
use crate::human;
use crate::lake::paths::{self, LogObject};
use crate::lake::store::masked::MaskedStore;

/// Files looked for at once.
const AT_ONCE: usize = 64;

/// An entry of another engine.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The table's version it made.
    pub version: u64,
    /// What it says of itself.
    #[serde(flatten)]
    pub written: Author,
}

/// The foreign entries of a log.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Found {
    /// Their entries, by version.
    pub entries: Vec<Entry>,
    /// Their checkpoints and other notes in the log.
    pub notes: Vec<String>,
    /// The version the table goes back to.
    pub version: Option<u64>,
    /// Files that are live at that version and not in the store any more: as the log names them.
    pub missing: Vec<String>,
    /// Why nothing can be taken back, if so.
    pub refused: Option<String>,
    #[serde(skip)]
    newest: Option<u64>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Entry { version, written } in &self.entries {
            let (added, rows) = (human::counted(written.files_added, "file"), human::counted(written.rows_added, "row"));
            let removed = human::counted(written.files_removed, "file");
            write!(f, "version {version} {written}: {added} with {rows} added, {removed} taken out\n  ")?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "{note} is of another engine, too\n  "))?;
        match (&self.refused, self.version) {
            (Some(refused), _) => write!(f, "cannot be taken back: {refused}")?,
            (None, Some(version)) => write!(f, "goes back to version {version}, the last of ier")?,
            (None, None) => {}
        }
        if !self.missing.is_empty() {
            let files = human::counted(self.missing.len() as u64, "file");
            write!(f, "\n  {files} of that version are gone: afterwards `ier verify --give-up` takes them out of the log")?;
        }
        Ok(())
    }
}

/// Looks for what others wrote into a table's log; none where there is nothing.
///
/// # Errors
/// Unavailable when the store does not answer.
pub async fn look(root: &Root, table: &LakeTable) -> Result<Option<Found>> {
    let log = table.folder.clone().join(paths::LOG);
    let objects: Vec<ObjectMeta> = table.store.list(Some(&log)).try_collect().await.context(|| phrase!("cannot list {log}"))?;
    let named: BTreeMap<u64, Path> = objects
        .iter()
        .filter_map(|object| match paths::log_object(&object.location)? {
            LogObject::Entry(version) => Some((version, object.location.clone())),
            _ => None,
        })
        .collect();
    let mut found = Found { newest: named.keys().next_back().copied(), ..Found::default() };
    let mut hidden = HashSet::new();
    for (version, place) in named.iter().rev() {
        let bytes = read(table, place).await?;
        let Some(written) = bytes.as_deref().and_then(written) else { break };
        found.entries.insert(0, Entry { version: *version, written });
        hidden.insert(place.clone());
    }
    let first = found.entries.first().map(|entry| entry.version);
    let notes = notes(table, &objects, first).await?;
    if found.entries.is_empty() && notes.is_empty() {
        return Ok(None);
    }
    found.notes = notes.iter().map(ToString::to_string).collect();
    hidden.extend(notes);
    before(root, table, first, hidden, &mut found).await?;
    Ok(Some(found))
}

/// An object of a log; none where it was cleaned up meanwhile.
async fn read(table: &LakeTable, place: &Path) -> Result<Option<bytes::Bytes>> {
    match async { table.store.get(place).await?.bytes().await }.await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(Error::from(error).context(phrase!("cannot read {place}"))),
    }
}

/// What others left in a log beside entries: checkpoints without a seal, whatever is of a version that goes, and the hint to them.
async fn notes(table: &LakeTable, objects: &[ObjectMeta], first: Option<u64>) -> Result<Vec<Path>> {
    let mut notes = Vec::new();
    for object in objects.iter().filter(|object| !paths::is_temporary(&object.location)) {
        let place = &object.location;
        let is_note = match paths::log_object(place) {
            Some(LogObject::Entry(_)) => false,
            Some(LogObject::LastCheckpoint) => {
                read(table, place).await?.is_some_and(|bytes| seal::check(&bytes) == Err(SealError::Unsealed))
            }
            Some(LogObject::Checkpoint(version)) => {
                first.is_some_and(|first| version >= first) || sealed::seals(&table.store, place).await?.is_empty()
            }
            // Checksums and the like, by names that begin with a version.
            None => paths::leading_version(place).is_some_and(|version| first.is_some_and(|first| version >= first)),
        };
        if is_note {
            notes.push(place.clone());
        }
    }
    Ok(notes)
}

/// The table as it was before others wrote, and what of it is still there.
async fn before(root: &Root, table: &LakeTable, first: Option<u64>, hidden: HashSet<Path>, found: &mut Found) -> Result<()> {
    let hiding = Arc::new(MaskedStore::new(table.store.clone(), hidden));
    let was = LakeTable::new(&root.clone().with_store(hiding), table.role, table.table.clone())?;
    let snapshot = match was.snapshot().await {
        Ok(snapshot) => snapshot,
        Err(error) if matches!(error.kind(), Kind::Unavailable | Kind::Conflict) => return Err(error),
        Err(error) => {
            found.refused = Some(error.to_string());
            return Ok(());
        }
    };
    found.version = snapshot.version;
    let wanted = first.map_or(found.newest, |first| first.checked_sub(1));
    if snapshot.version.is_none() || snapshot.version != wanted {
        found.refused = Some("the entries below are not those of ier: restore the log from a copy of the warehouse".to_owned());
        return Ok(());
    }
    let files = snapshot.files().map(|file| (file.add.path.clone(), file.path(&table.folder)));
    let missing = futures::stream::iter(files.collect::<Vec<_>>())
        .map(|(path, place)| async move {
            match table.store.head(&place).await {
                Ok(_) => Ok(None),
                Err(object_store::Error::NotFound { .. }) => Ok(Some(path)),
                Err(error) => Err(Error::from(error).context(phrase!("cannot look for {place}"))),
            }
        })
        .buffer_unordered(AT_ONCE);
    found.missing = missing.try_filter_map(futures::future::ok).try_collect().await?;
    found.missing.sort();
    Ok(())
}

/// Takes back the foreign entries, the newest first. Stopped anywhere, the log has no gap, and the same command continues.
///
/// # Errors
/// Conflict when somebody has written to the log since.
pub async fn undo(table: &LakeTable, found: &Found) -> Result<()> {
    let log = table.folder.clone().join(paths::LOG);
    let entry = |version: u64| log.clone().join(format!("{version:020}.json"));
    if let Some(newest) = found.newest {
        match table.store.head(&entry(newest + 1)).await {
            Err(object_store::Error::NotFound { .. }) => {}
            Ok(_) => return Err(Error::conflict(phrase!("somebody is writing to {}: look again", table.name()))),
            Err(error) => return Err(Error::from(error).context(phrase!("cannot read the log of {}", table.name()))),
        }
    }
    // What points to others before what it points to.
    let mut notes: Vec<Path> = found.notes.iter().map(|note| Path::from(note.as_str())).collect();
    notes.sort_by_key(|note| paths::leading_version(note).is_some());
    let entries = found.entries.iter().rev().map(|found| entry(found.version));
    for place in notes.into_iter().chain(entries) {
        match table.store.delete(&place).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(Error::from(error).context(phrase!("cannot delete {place}"))),
        }
    }
    Ok(())
}
