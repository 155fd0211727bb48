//! A store wrapper that seals a table's log: a changed byte is found when it is read, and never becomes an answer.
//!
//! The log says which files are live and what is in them, so everything rests on it. [`Sealed`] stands between the Delta crates
//! and the store:
//!
//! - **A log entry proves itself.** Its commit info has a field `ier.seal`: the blake3 hash of the entry's bytes with sixty-four
//!   zeros in that place. To other engines it is one more field of free text. An entry without a seal is refused: every commit of
//!   ours has one, so another engine wrote it, or the very name of the field was damaged. The entry also has a field
//!   `ier.belongs`, under the same seal: the warehouse's id and the entry's path. An entry that stands in another's place, of
//!   whatever table, version or warehouse, is found when it is read ([`super::marker`]).
//! - **A checkpoint is proved by a second object**, written before it, empty, with the checkpoint's hash as its name:
//!   `_seals/<checkpoint>/<blake3>`. The hash covers the checkpoint's bytes and where it belongs. An empty object cannot rot. Two
//!   processes that write the same checkpoint with different bytes at once leave both seals, so either outcome is proved.
//!   Checkpoint and seals are read in one wave of requests, the checkpoint whole (it is small), and kept while one snapshot is
//!   made of it. A checkpoint that is not proved is hidden, and the log entries are read instead; where they are gone, the error
//!   names the checkpoint.
//! - **`_last_checkpoint` is only a hint** where to begin to read. It carries a seal as an entry does. If that is wrong, the hint
//!   counts as absent, and the log is listed instead.
//!
//! **Invariant**: a seal is in the store, and on the disk, before the checkpoint it proves.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result as StoreResult, UploadPart,
};

use super::authorship::written;
use super::marker::Markers;
use super::seal::{BELONGS, DIGITS, FIELD, Place, SealError, check, damage, sealed};
use crate::error::Error;
use crate::lake::paths::{self, LogObject};

/// A store whose logs are sealed as they are written, and checked as they are read. All else passes through.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    inner: Arc<dyn ObjectStore>,
    markers: Arc<Markers>,
    /// The table's name below the warehouse's folder.
    table: Arc<str>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The checkpoint read last.
    checkpoint: Mutex<Option<(ObjectMeta, Bytes)>>,
    /// Log entries, while a snapshot is made of them: they are asked for several times.
    entries: Mutex<Option<Entries>>,
    /// What [`Sealed::read_ahead`] found, while a snapshot is made of it.
    ahead: Mutex<Option<Prefetched>>,
    /// Checkpoints that nothing proves.
    hidden: Mutex<BTreeMap<Path, SealError>>,
    /// The first damage found since reading began, and whether reading again may do without it.
    found: Mutex<(Option<Error>, bool)>,
}

#[derive(Debug, Default)]
struct Entries {
    by_path: BTreeMap<Path, (ObjectMeta, Bytes)>,
    bytes: usize,
}

/// A log, before anybody asks for it.
#[derive(Debug)]
struct Prefetched {
    /// Its folder.
    log: Path,
    /// What is in it, by name.
    listed: Vec<ObjectMeta>,
    /// The hint where to begin, as it was found.
    hint: Option<(ObjectMeta, Bytes)>,
}

/// Objects of a log asked for at once.
const READS: usize = 64;

/// Log entries kept while a snapshot is made, in bytes.
const ENTRIES_BYTES: usize = 64 << 20;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sealed {
    /// Wraps a whole store; logs are known by their paths.
    pub fn new(inner: Arc<dyn ObjectStore>, markers: Arc<Markers>, table: &str) -> Self {
        Self { inner, markers, table: table.into(), state: Arc::default() }
    }

    /// A snapshot is about to be read: a checkpoint is kept only as long as that takes, because one of the same name may
    /// be written by another process.
    pub fn begin(&self) {
        *locked(&self.state.checkpoint) = None;
        *locked(&self.state.entries) = Some(Entries::default());
        *locked(&self.state.ahead) = None;
        *locked(&self.state.found) = (None, false);
    }

    /// To be called when the snapshot was read: returns the first damage that was found, and whether to read again without the
    /// damaged objects. The damage is reported here because other crates may lose the error.
    pub fn end(&self) -> (Option<Error>, bool) {
        *locked(&self.state.checkpoint) = None;
        *locked(&self.state.entries) = None;
        *locked(&self.state.ahead) = None;
        let avoidable = locked(&self.state.found).1;
        (self.damage_met(), avoidable)
    }

    /// The damage that was met since the last call.
    pub fn damage_met(&self) -> Option<Error> {
        locked(&self.state.found).0.take()
    }

    /// Why a log cannot be read in which no damage was met: because of a checkpoint that was found damaged before and not
    /// looked at again, or, where the store did not answer, as the error itself says.
    pub fn behind(&self, error: Error) -> Error {
        if error.is_of_store() {
            return error;
        }
        let hidden = locked(&self.state.hidden).iter().next().map(|(location, broken)| damage(location, broken));
        hidden.unwrap_or(error)
    }

    /// Reads what a snapshot of a table will be made of in two waves of requests: what there is, then all of it. The Delta
    /// crates would ask for one thing after the other; until [`Sealed::end`] they are answered from here. Is there a log at all?
    pub async fn read_ahead(&self, table: &Path) -> StoreResult<bool> {
        let log = table.clone().join(paths::LOG);
        let hint = log.clone().join(paths::LAST_CHECKPOINT);
        let listing = self.inner.list(Some(&log)).try_collect::<Vec<_>>();
        let (listed, hint, marker) = futures::join!(listing, self.fetch(&hint), self.markers.known());
        marker.map_err(carried)?;
        let mut listed = listed?;
        // What a writer was stopped at has no name of its own, and is no entry.
        listed.retain(|object| !paths::is_temporary(&object.location));
        listed.sort_by(|a, b| a.location.cmp(&b.location));
        if listed.is_empty() {
            return Ok(false);
        }
        let of_log = |object: &ObjectMeta| Some((object.location.clone(), paths::log_object(&object.location)?));
        let objects: Vec<(Path, LogObject)> = listed.iter().filter_map(of_log).collect();
        let checkpoint = objects.iter().filter_map(|(location, what)| match what {
            LogObject::Checkpoint(version) if !self.is_hidden(location) => Some(*version),
            _ => None,
        });
        let checkpoint = checkpoint.max();
        let hint = match hint {
            Ok(found) => Some(found),
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        *locked(&self.state.ahead) = Some(Prefetched { log, listed, hint });
        let wanted = objects.into_iter().filter(|(_, what)| match what {
            LogObject::Entry(version) => checkpoint.is_none_or(|checkpoint| *version > checkpoint),
            LogObject::Checkpoint(version) => checkpoint == Some(*version),
            LogObject::LastCheckpoint => false,
        });
        // What is damaged or gone is reported when it is asked for again.
        let reads = wanted.map(|(location, what)| async move { drop(self.whole(&location, what).await) });
        futures::stream::iter(reads).buffer_unordered(READS).collect::<()>().await;
        Ok(true)
    }

    /// What there is in the log's folder behind a name, where that is known.
    fn listed_ahead(&self, prefix: Option<&Path>, after: Option<&Path>) -> Option<BoxStream<'static, StoreResult<ObjectMeta>>> {
        let ahead = locked(&self.state.ahead);
        let ahead = ahead.as_ref().filter(|ahead| Some(&ahead.log) == prefix)?;
        let listed = ahead.listed.iter().filter(|object| after.is_none_or(|after| object.location > *after));
        Some(futures::stream::iter(listed.cloned().map(Ok).collect::<Vec<_>>()).boxed())
    }

    fn note(&self, location: &Path, broken: SealError, avoidable: bool) -> object_store::Error {
        let mut found = locked(&self.state.found);
        let error = damage(location, &broken);
        found.0.get_or_insert_with(|| damage(location, &broken));
        if avoidable {
            found.1 |= locked(&self.state.hidden).insert(location.clone(), broken).is_none();
        }
        carried(error)
    }

    /// Notes what reading cannot do without.
    fn refuse(&self, error: impl Fn() -> Error) -> object_store::Error {
        locked(&self.state.found).0.get_or_insert_with(&error);
        carried(error())
    }

    fn name_of(&self, location: &Path) -> String {
        paths::sealed_name(&self.table, location)
    }

    async fn check_belongs(&self, location: &Path, bytes: &[u8]) -> Result<Result<(), SealError>, Error> {
        self.markers.check_belongs(&self.name_of(location), bytes).await
    }

    fn is_hidden(&self, location: &Path) -> bool {
        locked(&self.state.hidden).contains_key(location)
    }

    /// An object of a log, whole and checked.
    async fn whole(&self, location: &Path, what: LogObject) -> StoreResult<(ObjectMeta, Bytes)> {
        match what {
            LogObject::Entry(_) => {
                let kept = locked(&self.state.entries).as_ref().and_then(|entries| entries.by_path.get(location).cloned());
                if let Some(kept) = kept {
                    return Ok(kept);
                }
                let (meta, bytes) = self.fetch(location).await?;
                check(&bytes).map_err(|broken| match written(&bytes) {
                    Some(written) => self.refuse(|| written.refusal(location)),
                    None => self.note(location, broken, false),
                })?;
                let checked = self.check_belongs(location, &bytes).await.map_err(carried)?;
                checked.map_err(|broken| self.note(location, broken, false))?;
                if let Some(entries) = locked(&self.state.entries).as_mut().filter(|entries| entries.bytes < ENTRIES_BYTES) {
                    entries.bytes += bytes.len();
                    entries.by_path.insert(location.clone(), (meta.clone(), bytes.clone()));
                }
                Ok((meta, bytes))
            }
            LogObject::LastCheckpoint => {
                if !locked(&self.state.hidden).is_empty() {
                    return Err(absent(location));
                }
                let ahead = locked(&self.state.ahead).as_ref().map(|ahead| ahead.hint.clone());
                let (meta, bytes) = match ahead {
                    Some(hint) => hint.ok_or_else(|| absent(location))?,
                    None => self.fetch(location).await?,
                };
                check(&bytes).map_err(|_| absent(location))?;
                self.check_belongs(location, &bytes).await.map_err(carried)?.map_err(|_| absent(location))?;
                Ok((meta, bytes))
            }
            LogObject::Checkpoint(_) => {
                if self.is_hidden(location) {
                    return Err(absent(location));
                }
                if let Some(kept) = locked(&self.state.checkpoint).clone().filter(|(meta, _)| meta.location == *location) {
                    return Ok(kept);
                }
                let ((meta, bytes), seals) =
                    futures::future::try_join(self.fetch(location), seals(&self.inner, location)).await?;
                let mut hasher = blake3::Hasher::new();
                hasher.update(&bytes);
                // Another process may have written seal and checkpoint after the seals were listed.
                if !is_proved(&self.markers, &self.name_of(location), &hasher, &seals).await.map_err(carried)? {
                    let again = super::sealed::seals(&self.inner, location).await?;
                    if !is_proved(&self.markers, &self.name_of(location), &hasher, &again).await.map_err(carried)? {
                        let broken = if again.is_empty() { SealError::Unsealed } else { SealError::Altered };
                        return Err(self.note(location, broken, true));
                    }
                }
                *locked(&self.state.checkpoint) = Some((meta.clone(), bytes.clone()));
                Ok((meta, bytes))
            }
        }
    }

    async fn fetch(&self, location: &Path) -> StoreResult<(ObjectMeta, Bytes)> {
        let found = self.inner.get(location).await?;
        let meta = ObjectMeta { location: location.clone(), ..found.meta.clone() };
        Ok((meta, found.bytes().await?))
    }

    /// Writes the seal of a checkpoint about to be written.
    async fn prove(&self, checkpoint: &Path, bytes: &blake3::Hasher) -> StoreResult<()> {
        *locked(&self.state.checkpoint) = None;
        let hash = match self.markers.known().await.map_err(carried)? {
            Some(marker) => bound(bytes, &marker.place_of(self.name_of(checkpoint))),
            None => bytes.finalize(),
        };
        let seal = paths::seals_of(checkpoint).join(hash.to_hex().as_str());
        self.inner.put(&seal, PutPayload::new()).await?;
        Ok(())
    }
}

/// The hash of a checkpoint's bytes and of where it belongs.
fn bound(bytes: &blake3::Hasher, place: &Place) -> blake3::Hash {
    bytes.clone().update(place.text().as_bytes()).finalize()
}

/// Does any of its seals prove a checkpoint of these bytes? Where checkpoints were written before they were bound to their place, a
/// seal over the bytes alone does, too.
pub(crate) async fn is_proved(
    markers: &Markers,
    checkpoint: &str,
    bytes: &blake3::Hasher,
    seals: &[String],
) -> Result<bool, Error> {
    let proves = |hash: blake3::Hash| seals.iter().any(|seal| *seal == *hash.to_hex().as_str());
    // Another process may have made the marker since this one looked.
    let marker = match markers.known().await? {
        None => markers.read().await?,
        known => known,
    };
    Ok(match marker {
        None => proves(bytes.finalize()),
        Some(marker) => {
            proves(bound(bytes, &marker.place_of(checkpoint.to_owned())))
                || (marker.upgraded_from.is_some() && proves(bytes.finalize()))
        }
    })
}

/// The seals of a checkpoint: hashes in hexadecimal.
pub(crate) async fn seals(store: &Arc<dyn ObjectStore>, checkpoint: &Path) -> StoreResult<Vec<String>> {
    let seals: Vec<ObjectMeta> = store.list(Some(&paths::seals_of(checkpoint))).try_collect().await?;
    Ok(seals.into_iter().filter_map(|seal| seal.location.filename().map(str::to_owned)).collect())
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sealed {}", self.inner)
    }
}

/// The part of `size` bytes that is asked for.
fn range_of(range: Option<&GetRange>, size: u64) -> Range<u64> {
    match range {
        None => 0..size,
        Some(GetRange::Bounded(range)) => range.start.min(size)..range.end.min(size),
        Some(GetRange::Offset(start)) => (*start).min(size)..size,
        Some(GetRange::Suffix(bytes)) => size.saturating_sub(*bytes)..size,
    }
}

fn slice(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    bytes.slice(range.start as usize..(range.end as usize).max(range.start as usize))
}

#[async_trait]
impl ObjectStore for Sealed {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> StoreResult<PutResult> {
        let payload = match paths::log_object(location) {
            None => payload,
            Some(LogObject::Entry(_)) => {
                let sealed = sealed(&Bytes::from(payload));
                let no_place = || carried(Error::internal(phrase!("{location} has no place for its seal")));
                sealed.ok_or_else(no_place)?.into()
            }
            Some(LogObject::LastCheckpoint) => {
                let bytes = Bytes::from(payload);
                let open = bytes.trim_ascii_end().strip_suffix(b"}").unwrap_or(&bytes);
                let place = self.markers.known().await.map_err(carried)?.map(|marker| marker.place_of(self.name_of(location)));
                let belongs = place.map(|place| format!(",\"{BELONGS}\":\"{}\"", place.text())).unwrap_or_default();
                let with_place = [open, format!("{belongs},\"{FIELD}\":\"{}\"}}", "0".repeat(DIGITS)).as_bytes()].concat();
                sealed(&with_place).unwrap_or(with_place).into()
            }
            Some(LogObject::Checkpoint(_)) => {
                let bytes = Bytes::from(payload);
                self.prove(location, blake3::Hasher::new().update(&bytes)).await?;
                bytes.into()
            }
        };
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> StoreResult<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        match paths::log_object(location) {
            Some(LogObject::Checkpoint(_)) => Ok(Box::new(SealedUpload {
                inner,
                store: self.clone(),
                location: location.clone(),
                hasher: blake3::Hasher::new(),
            })),
            _ => Ok(inner),
        }
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        let Some(what) = paths::log_object(location).filter(|_| !options.head) else {
            return self.inner.get_opts(location, options).await;
        };
        let (meta, bytes) = self.whole(location, what).await?;
        let range = range_of(options.range.as_ref(), bytes.len() as u64);
        let part = slice(&bytes, &range);
        let payload = GetResultPayload::Stream(futures::future::ready(Ok(part)).into_stream().boxed());
        Ok(GetResult { payload, meta, range, attributes: Default::default() })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        let Some(what) = paths::log_object(location) else { return self.inner.get_ranges(location, ranges).await };
        let (_, bytes) = self.whole(location, what).await?;
        let size = bytes.len() as u64;
        Ok(ranges.iter().map(|range| slice(&bytes, &range_of(Some(&GetRange::Bounded(range.clone())), size))).collect())
    }

    fn delete_stream(&self, locations: BoxStream<'static, StoreResult<Path>>) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.shown(self.listed_ahead(prefix, None).unwrap_or_else(|| self.inner.list(prefix)))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        let ahead = self.listed_ahead(prefix, Some(offset));
        self.shown(ahead.unwrap_or_else(|| self.inner.list_with_offset(prefix, offset)))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        let mut listed = self.inner.list_with_delimiter(prefix).await?;
        listed.objects.retain(|object| !self.is_hidden(&object.location));
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> StoreResult<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

impl Sealed {
    fn shown(&self, listed: BoxStream<'static, StoreResult<ObjectMeta>>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        let store = self.clone();
        listed.try_filter(move |object| futures::future::ready(!store.is_hidden(&object.location))).boxed()
    }
}

/// A checkpoint sent in parts: its seal is written when the last part is known, before the parts become an object.
#[derive(Debug)]
struct SealedUpload {
    inner: Box<dyn MultipartUpload>,
    store: Sealed,
    location: Path,
    hasher: blake3::Hasher,
}

#[async_trait]
impl MultipartUpload for SealedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        data.iter().for_each(|part| {
            self.hasher.update(part);
        });
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> StoreResult<PutResult> {
        self.store.prove(&self.location, &self.hasher).await?;
        self.inner.complete().await
    }

    async fn abort(&mut self) -> StoreResult<()> {
        self.inner.abort().await
    }
}

/// An error of ours on its way through other crates.
fn carried(error: Error) -> object_store::Error {
    object_store::Error::Generic { store: "log", source: Box::new(error) }
}

fn absent(location: &Path) -> object_store::Error {
    object_store::Error::NotFound { path: location.to_string(), source: "its seal is broken".into() }
}
