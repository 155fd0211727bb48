//! Checks a table's log from end to end: is every object as it was written, and is none missing?
//!
//! Readers check only the objects they need. This reads all objects, from the store itself and not through
//! [`super::sealed::Sealed`].

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};

use super::table::LakeTable;
use super::{authorship, seal, sealed};
use crate::error::{Context, Error, Result};
use crate::lake::paths::{self, LogObject, log_object};

/// Objects read at once.
const READS: usize = 16;

/// The result of checking a log.
#[derive(Debug, Default)]
pub struct LogFound {
    /// Objects looked at.
    pub objects: u64,
    /// What is wrong, by object.
    pub wrong: Vec<(Path, String)>,
    /// Of these: what another engine wrote.
    pub foreign: BTreeSet<Path>,
    /// Objects that could not be looked at, and why.
    pub unread: Vec<(Path, Error)>,
}

/// Looks at all objects of a table's log.
///
/// # Errors
/// Unavailable when the log cannot be listed.
pub async fn look(table: &LakeTable) -> Result<LogFound> {
    let list = async |folder: &str| {
        let folder = table.folder.clone().join(folder);
        let listed: Vec<ObjectMeta> =
            table.store.list(Some(&folder)).try_collect().await.context(|| phrase!("cannot list {folder}"))?;
        Ok::<_, Error>(listed)
    };
    // Seals first: a checkpoint that is listed after them and has none is looked for again.
    let seals = list(paths::SEALS).await?;
    let log = list(paths::LOG).await?;
    let mut found = LogFound::default();
    for seal in seals.iter().filter(|seal| seal.size > 0) {
        found.wrong.push((seal.location.clone(), format!("has {} bytes, and a seal has none", seal.size)));
    }
    let objects: Vec<(Path, LogObject)> =
        log.iter().filter_map(|object| Some((object.location.clone(), log_object(&object.location)?))).collect();
    let mut reads = futures::stream::iter(objects)
        .map(|(location, what)| async move {
            let wrong = wrong(table, &location, what).await;
            (location, what, wrong)
        })
        .buffer_unordered(READS);
    let (mut entries, mut checkpoints) = (BTreeSet::new(), BTreeSet::new());
    while let Some((location, what, wrong)) = reads.next().await {
        let wrong = match wrong {
            Ok(None) => continue,
            Ok(Some(wrong)) => wrong,
            Err(error) => {
                found.unread.push((location, error));
                continue;
            }
        };
        found.objects += 1;
        if wrong.as_ref().is_some_and(|wrong| wrong.foreign) {
            found.foreign.insert(location.clone());
        }
        match (what, wrong.map(|wrong| wrong.what)) {
            (_, Some(wrong)) => found.wrong.push((location, wrong)),
            (LogObject::Entry(version), None) => entries.extend([version]),
            (LogObject::Checkpoint(version), None) => checkpoints.extend([version]),
            (LogObject::LastCheckpoint, None) => {}
        }
    }
    // Damaged entries have been named, and are not missing.
    entries.extend(found.wrong.iter().filter_map(|(location, _)| match log_object(location) {
        Some(LogObject::Entry(version)) => Some(version),
        _ => None,
    }));
    if found.unread.is_empty() {
        gaps(table, &entries, &checkpoints, &mut found);
    }
    found.wrong.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// A problem of an object.
struct Problem {
    what: String,
    /// Another engine may have written it.
    foreign: bool,
}

/// The problem of an object, if any; the outer `None` means that clean-up deleted it since it was listed.
async fn wrong(table: &LakeTable, location: &Path, what: LogObject) -> Result<Option<Option<Problem>>> {
    let bytes = match async { table.store.get(location).await?.bytes().await }.await {
        Ok(bytes) => bytes,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let broken = |broken: seal::SealError| Problem { what: broken.to_string(), foreign: broken == seal::SealError::Unsealed };
    Ok(Some(match what {
        LogObject::Entry(_) | LogObject::LastCheckpoint => match seal::check(&bytes) {
            Err(found) => Some(match (what, authorship::written(&bytes)) {
                (LogObject::Entry(_), Some(written)) => Problem { what: written.to_string(), foreign: true },
                (LogObject::Entry(_), None) => Problem { foreign: false, ..broken(found) },
                _ => broken(found),
            }),
            Ok(()) => table.markers.check_belongs(&table.sealed_name(location), &bytes).await?.err().map(broken),
        },
        LogObject::Checkpoint(_) => {
            let seals = sealed::seals(&table.store, location).await?;
            let mut hasher = blake3::Hasher::new();
            hasher.update(&bytes);
            if sealed::is_proved(&table.markers, &table.sealed_name(location), &hasher, &seals).await? {
                None
            } else if seals.is_empty() {
                Some(broken(seal::SealError::Unsealed))
            } else {
                Some(broken(seal::SealError::Altered))
            }
        }
    }))
}

/// Versions without an entry that no checkpoint covers.
fn gaps(table: &LakeTable, entries: &BTreeSet<u64>, checkpoints: &BTreeSet<u64>, found: &mut LogFound) {
    let (Some(&first), Some(&newest)) = (entries.first(), entries.last()) else { return };
    let entry = |version: u64| table.folder.clone().join(paths::LOG).join(paths::log_entry(version));
    for version in (first..newest).filter(|version| !entries.contains(version)) {
        found.wrong.push((entry(version), "is missing".to_owned()));
    }
    // Clean-up removes the oldest entries, up to a checkpoint.
    if first > 0 && !checkpoints.iter().any(|version| version + 1 >= first) {
        let what = "is missing, as are those before it, and no checkpoint that is whole stands for them";
        found.wrong.push((entry(first - 1), what.to_owned()));
    }
}
