//! The marker of a warehouse: the object `warehouse.json`, which says that a folder is a warehouse, which format it has, and
//! which warehouse it is.
//!
//! The verb that makes a warehouse writes the marker before anything else. It holds the version of the format, which this program
//! compares with its own ([`FORMAT`]): a newer format is refused, an older one is read as before and upgraded by the first
//! commit. It also holds a random id. Every sealed object names this id together with its table and its place ([`super::seal`]),
//! so that no object can be taken for another.
//!
//! **Formats.**
//! - *0*: warehouses made before there was a marker. Sealed objects prove their bytes, and do not say where they belong.
//! - *1*: sealed objects say where they belong.
//!
//! **Upgrade of 0.** Older entries stay as they are. `upgraded.json`, written before the marker, keeps the seal of each, so that
//! they are bound to their place like new ones. A program older than the marker does not know it and cannot be kept out: what
//! such a program commits after the upgrade is refused when it is read, because nothing says where it belongs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::seal::{self, Place, SealError};
use crate::error::{Context, Error, Result};
use crate::lake::paths::{self, LogObject};

/// The version of the format this program writes, and the newest it reads.
pub const FORMAT: u64 = 1;

/// Objects read at once.
const READS: usize = 64;

/// The contents of the marker.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Marker {
    /// The version of the format.
    pub format: u64,
    /// The warehouse: a random number that no other has.
    pub warehouse: String,
    /// When the marker was made.
    pub made_at: DateTime<Utc>,
    /// The program that made it.
    pub made_by: String,
    /// The format the warehouse had before, if it was not made in this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgraded_from: Option<u64>,
}

impl Marker {
    /// The place of an object of this warehouse.
    pub(crate) fn place_of(&self, object: String) -> Place {
        Place { warehouse: self.warehouse.clone(), object }
    }
}

/// The objects that were sealed before seals said where they belong.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Upgraded {
    /// The seals of log entries, by table and version.
    entries: BTreeMap<String, BTreeMap<u64, String>>,
    /// blake3 hashes of keys that no commit tells of, by their paths.
    keys: BTreeMap<String, String>,
}

/// The marker of one warehouse, as far as this process knows it. What one part of a process has read is known to all.
#[derive(Debug)]
pub struct Markers {
    store: Arc<dyn ObjectStore>,
    base: Path,
    /// None until it was looked for; then what was found.
    known: Mutex<Option<Option<Arc<Marker>>>>,
    upgraded: OnceCell<Upgraded>,
    /// The format this process found and replaced.
    upgraded_here: Mutex<Option<u64>>,
}

impl Markers {
    /// The marker below a folder of a store; nothing is asked yet.
    pub fn new(store: Arc<dyn ObjectStore>, base: Path) -> Arc<Self> {
        Arc::new(Self { store, base, known: Mutex::default(), upgraded: OnceCell::new(), upgraded_here: Mutex::default() })
    }

    /// The marker; none where there is none. Asks the store the first time only.
    ///
    /// # Errors
    /// Invalid when the warehouse was written by a newer program, corrupt when the marker is damaged.
    pub async fn known(&self) -> Result<Option<Arc<Marker>>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(known) => Ok(known),
            None => self.read().await,
        }
    }

    /// The marker as it is now.
    pub(crate) async fn read(&self) -> Result<Option<Arc<Marker>>> {
        let place = self.place(paths::MARKER);
        let found = match self.sealed(&place).await? {
            None => None,
            Some(value) => {
                let unreadable = |error| Error::corrupt(phrase!("{place} is unreadable: {error}; restore it from a copy"));
                refuse_newer(&value, &self.base)?;
                Some(Arc::new(serde_json::from_value(value).map_err(unreadable)?))
            }
        };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
        Ok(found)
    }

    /// The marker. Where there is none it is made: for a new warehouse, or for one of format 0, with the seals needed to read it
    /// further.
    ///
    /// # Errors
    /// Corrupt when the marker is gone although there was one.
    pub async fn made(&self, now: DateTime<Utc>) -> Result<Arc<Marker>> {
        if let Some(marker) = self.known().await? {
            return Ok(marker);
        }
        if let Some(marker) = self.read().await? {
            return Ok(marker);
        }
        let before = self.unmarked_entries().await?;
        let upgraded_from = before.as_ref().map(|_| 0);
        if let Some(before) = &before {
            self.write(paths::UPGRADED, serde_json::to_value(before), PutMode::Overwrite).await?;
        }
        let marker = Marker {
            format: FORMAT,
            warehouse: Uuid::new_v4().simple().to_string(),
            made_at: now,
            made_by: format!("ier {}", env!("CARGO_PKG_VERSION")),
            upgraded_from,
        };
        let ours = self.write(paths::MARKER, serde_json::to_value(&marker), PutMode::Create).await?;
        let there = self.read().await?.ok_or_else(|| Error::unavailable(phrase!("{} vanished", self.place(paths::MARKER))))?;
        if ours {
            *self.upgraded_here.lock().unwrap_or_else(PoisonError::into_inner) = upgraded_from;
        }
        Ok(there)
    }

    /// The format that this process found and replaced by [`FORMAT`], if it did.
    pub fn upgraded_here(&self) -> Option<u64> {
        *self.upgraded_here.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place that an object sealed now has to name.
    pub(crate) async fn place_of(&self, object: String, now: DateTime<Utc>) -> Result<Place> {
        Ok(self.made(now).await?.place_of(object))
    }

    /// Is a sealed object, whose bytes are as they were sealed, where it belongs? `object` is its name below the warehouse's folder.
    ///
    /// # Errors
    /// Unavailable when what is needed to tell cannot be read.
    pub(crate) async fn check_belongs(&self, object: &str, bytes: &[u8]) -> Result<Result<(), SealError>> {
        let Some(place) = seal::stated_place(bytes) else { return self.was_there_before(object, bytes).await };
        if place.object != object {
            return Ok(Err(SealError::Displaced(place.object)));
        }
        // Made by another process since this one looked.
        let marker = match self.known().await? {
            Some(marker) => Some(marker),
            None => self.read().await?,
        };
        Ok(match marker {
            Some(marker) if marker.warehouse == place.warehouse => Ok(()),
            Some(_) => Err(SealError::Foreign),
            None => Err(SealError::Unmarked),
        })
    }

    /// Is this an entry from before sealed objects said where they belong, in its old place?
    async fn was_there_before(&self, object: &str, bytes: &[u8]) -> Result<Result<(), SealError>> {
        let Some(marker) = self.known().await? else { return Ok(Ok(())) };
        if marker.upgraded_from.is_none() {
            return Ok(Err(SealError::Unplaced));
        }
        let object = Path::from(object);
        let Some(LogObject::Entry(version)) = paths::log_object(&object) else { return Ok(Ok(())) };
        let upgraded = self.upgraded.get_or_try_init(|| self.read_upgraded()).await?;
        let table = paths::table_of_log(&object).map(|table| table.to_string()).unwrap_or_default();
        let seal = upgraded.entries.get(&table).and_then(|entries| entries.get(&version));
        Ok(match seal {
            Some(seal) if Some(seal.as_str()) == seal::stated(bytes) => Ok(()),
            Some(_) => Err(SealError::Altered),
            None => Err(SealError::Unplaced),
        })
    }

    /// Is a key the one that was there when the warehouse was upgraded? Of a key that was not there then nothing is known.
    ///
    /// # Errors
    /// Unavailable when it cannot be read, corrupt when what was noted then is damaged or gone.
    pub async fn is_as_upgraded(&self, key: &str) -> Result<bool> {
        if self.known().await?.is_none_or(|marker| marker.upgraded_from.is_none()) {
            return Ok(true);
        }
        let upgraded = self.upgraded.get_or_try_init(|| self.read_upgraded()).await?;
        match upgraded.keys.get(key) {
            None => Ok(true),
            Some(noted) => Ok(self.hash_of(key).await?.as_ref() == Some(noted)),
        }
    }

    async fn hash_of(&self, name: &str) -> Result<Option<String>> {
        Ok(self.get(&self.place(name)).await?.map(|bytes| blake3::hash(&bytes).to_hex().to_string()))
    }

    async fn read_upgraded(&self) -> Result<Upgraded> {
        let place = self.place(paths::UPGRADED);
        let value = self.sealed(&place).await?;
        let value = value.ok_or_else(|| Error::corrupt(phrase!("{place} is gone: restore it from a copy of the warehouse")))?;
        serde_json::from_value(value).map_err(|error| Error::corrupt(phrase!("{place} is unreadable: {error}")))
    }

    /// The seals of all log entries of a warehouse without marker; none where there is no log entry or checkpoint at all.
    async fn unmarked_entries(&self) -> Result<Option<Upgraded>> {
        let mut found: Option<Upgraded> = None;
        let mut entries: Vec<(u64, Path)> = Vec::new();
        for role in paths::Role::ALL {
            let folder = self.place(role.folder());
            let listed = self.store.list(Some(&folder)).try_collect::<Vec<ObjectMeta>>().await;
            for object in listed.context(|| phrase!("cannot list {folder}"))? {
                match paths::log_object(&object.location) {
                    Some(LogObject::Entry(version)) => entries.push((version, object.location)),
                    Some(_) => {}
                    None => continue,
                }
                found.get_or_insert_default();
            }
        }
        let Some(mut found) = found else { return Ok(None) };
        for key in [paths::ERASED_KEY, paths::LOOKUP_KEY] {
            if let Some(hash) = self.hash_of(key).await? {
                found.keys.insert(key.to_owned(), hash);
            }
        }
        let mut reads = futures::stream::iter(entries)
            .map(|(version, place)| async move { Ok::<_, Error>(self.get(&place).await?.map(|bytes| (version, place, bytes))) })
            .buffer_unordered(READS);
        while let Some(entry) = reads.try_next().await? {
            let Some((version, place, bytes)) = entry else { continue };
            // What is damaged, or another program's, is reported when it is read; it gets no place.
            if seal::check(&bytes).is_err() {
                continue;
            }
            if seal::stated_place(&bytes).is_some() {
                return Err(Error::corrupt(phrase!(
                    "{} is gone: restore it from a copy of the warehouse",
                    self.place(paths::MARKER)
                )));
            }
            let table = paths::table_of_log(&place).map(|table| self.below(&table)).unwrap_or_default();
            let seal = seal::stated(&bytes).unwrap_or_default().to_owned();
            found.entries.entry(table).or_default().insert(version, seal);
        }
        Ok(Some(found))
    }

    /// Is there a log of a table below a folder? So much of a warehouse was there before there were markers.
    pub async fn has_log_below(&self, folder: &Path) -> Result<bool> {
        for role in paths::Role::ALL {
            let folder = folder.clone().join(role.folder());
            let mut logs = self.store.list(Some(&folder)).try_filter(|object| {
                std::future::ready(paths::log_object(&object.location).is_some() && !paths::is_temporary(&object.location))
            });
            if logs.try_next().await.context(|| phrase!("cannot list {folder}"))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// An object; none where there is none.
    async fn get(&self, place: &Path) -> Result<Option<Bytes>> {
        match async { self.store.get(place).await?.bytes().await }.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::from(error).context(phrase!("cannot read {place}"))),
        }
    }

    /// A sealed JSON object without its seal; none where there is none.
    async fn sealed(&self, place: &Path) -> Result<Option<serde_json::Value>> {
        let Some(bytes) = self.get(place).await? else { return Ok(None) };
        seal::check(&bytes).map_err(|broken| seal::damage(place, &broken))?;
        let unreadable = |error| Error::corrupt(phrase!("{place} is unreadable: {error}"));
        serde_json::from_slice(&bytes).map_err(unreadable).map(Some)
    }

    /// Writes a sealed JSON object; false when it was to be new and is there already.
    async fn write(&self, name: &str, value: serde_json::Result<serde_json::Value>, mode: PutMode) -> Result<bool> {
        let place = self.place(name);
        let unwritable = |error| Error::internal(phrase!("{place} cannot be written as json: {error}"));
        let mut value = value.map_err(unwritable)?;
        let (field, zeros) = seal::place();
        value[field] = zeros;
        let bytes = seal::sealed(&serde_json::to_vec(&value).map_err(unwritable)?);
        let bytes = bytes.ok_or_else(|| Error::internal(phrase!("{place} has no place for its seal")))?;
        match self.store.put_opts(&place, bytes.into(), PutOptions::from(mode)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(Error::from(error).context(phrase!("cannot write {place}"))),
        }
    }

    fn place(&self, name: &str) -> Path {
        Path::from_iter(self.base.parts().chain(Path::from(name).parts()))
    }

    /// A location as it is named below the warehouse's folder.
    fn below(&self, location: &Path) -> String {
        location.prefix_match(&self.base).map_or_else(|| location.to_string(), |parts| Path::from_iter(parts).to_string())
    }
}

fn refuse_newer(value: &serde_json::Value, base: &Path) -> Result<()> {
    let format = value["format"].as_u64().unwrap_or(u64::MAX);
    if format <= FORMAT {
        return Ok(());
    }
    let by = value["made_by"].as_str().unwrap_or("a newer ier");
    Err(Error::invalid(phrase!(
        "the warehouse in {base} is of format {format}, made by {by}; this program knows format {FORMAT}: use a newer ier"
    )))
}
