//! The list of what was erased: a row that names an erased person, or is one of their records, is refused for ever.
//!
//! The ledger `erased` stores the list as hashes under a key of the warehouse (`erased/key`): whoever has an id and the key can
//! ask whether that id was erased, and nobody can read who was. For each person the list has all their ids and addresses, and of
//! their e-mails and links the keys, all other names ([`crate::record::names`]) and the e-mails' ids. The other names are needed
//! because a record may come again with its contact blanked, from an export that knows it by another name.
//!
//! **Invariant**: a row on the list enters no table once its erasure is done. An erasure commits the list first, and then changes
//! each table by a commit of its own, whether rows are removed or not. An upsert pins its table first and reads the list after
//! it. So either the upsert read the list with the erasure on it, and drops the rows; or it pinned the table before the erasure's
//! commit, loses its compare-and-swap, and prepares again with the list. For that a table has to exist: a table that nobody could
//! know of beforehand (a new table of attributes) is committed empty before the upsert that creates it reads the list.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use bytes::Bytes;
use chrono::DateTime;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions};

use super::erased::FORMER;
pub use super::erased::{AllNames, Erased, Hash, Key, List, Subject, address, addressed, naming, person};
use super::warehouse::Warehouse;
use crate::error::{Error, Result};
use crate::lake::paths::{self, Role};
use crate::lake::read;
use crate::record::fields::{Table, known};

/// Application transaction of the ledger: which key its entries are hashed under.
pub(crate) const KEY: &str = "ier.erased_key";

impl Key {
    /// The warehouse's key; `None` where nothing was ever erased.
    ///
    /// # Errors
    /// Corrupt when what stands there is no key.
    pub async fn stored(warehouse: &Warehouse) -> Result<Option<Self>> {
        let place = place(warehouse);
        let read = async { warehouse.root().store.get(&place).await?.bytes().await };
        let bytes = match read.await {
            Ok(bytes) => bytes,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(Error::from(error).context(phrase!("cannot read {place}"))),
        };
        let key = std::str::from_utf8(&bytes).ok().and_then(|text| blake3::Hash::from_hex(text.trim()).ok());
        key.map(|key| Some(Self(*key.as_bytes()))).ok_or_else(|| Error::corrupt(phrase!("{place} is no key: restore it")))
    }

    /// The warehouse's key, made if need be; of two who make it at once one takes the other's.
    ///
    /// # Errors
    /// Corrupt when the key is gone, or is another, and there is a list made under it.
    pub async fn made(warehouse: &Warehouse) -> Result<Self> {
        list(warehouse).await?;
        if let Some(key) = Self::stored(warehouse).await? {
            return Ok(key);
        }
        let key = Self::random();
        let place = place(warehouse);
        let text = blake3::Hash::from_bytes(key.0).to_hex().to_string();
        let put = warehouse.root().store.put_opts(&place, Bytes::from(text).into(), PutOptions::from(PutMode::Create)).await;
        match put {
            Ok(_) => return Ok(key),
            Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(Error::from(error).context(phrase!("cannot write {place}"))),
        }
        let stored = Self::stored(warehouse).await?;
        stored.ok_or_else(|| Error::unavailable(phrase!("{place} was there and is gone: try again")))
    }
}

fn place(warehouse: &Warehouse) -> Path {
    Path::from_iter(warehouse.root().base.parts().chain(Path::from(paths::ERASED_KEY).parts()))
}

/// The current list of a warehouse. When nothing has changed since the last call, it costs one check of the ledger's version.
///
/// # Errors
/// Corrupt when the ledger cannot be read, or when there is one and no key to it.
pub async fn list(warehouse: &Warehouse) -> Result<Arc<List>> {
    let lake = warehouse.table(Role::Reference, table()?).await?;
    let mut read = warehouse.suppressed.lock().await;
    let snapshot = lake.snapshot().await?;
    let Some(version) = snapshot.version.filter(|_| snapshot.rows() > 0) else { return Ok(Arc::default()) };
    if let Some((_, list)) = read.as_ref().filter(|(known, _)| *known == version) {
        return Ok(list.clone());
    }
    let key = Key::stored(warehouse).await?;
    let key =
        key.ok_or_else(|| Error::corrupt(phrase!("{} is gone, and with it who was erased: restore it", place(warehouse))))?;
    let is_right = match lake.transaction(&snapshot, KEY).await? {
        Some(expected) => expected == key.fingerprint(),
        // The last erasure was before commits named the key; an upgrade of the warehouse has noted which it was.
        None => warehouse.root().markers.is_as_upgraded(paths::ERASED_KEY).await?,
    };
    if !is_right {
        let place = place(warehouse);
        return Err(Error::corrupt(phrase!(
            "{place} is not the key under which the list of who was erased was made: restore it"
        )));
    }
    let mut list = List { key: Some(key), ..List::default() };
    let mut erasures: BTreeMap<String, Arc<str>> = BTreeMap::new();
    for file in snapshot.files() {
        let mut rows = read::open(&lake, file).await?.stream(Some(&["kind", "subject", "erasure_id", "erased_at"]), None)?;
        while let Some(batch) = rows.try_next().await? {
            let [kinds, subjects, ids] = [0, 1, 2].map(|at| cast(batch.column(at), &DataType::Utf8));
            let (kinds, subjects, ids) = (kinds?, subjects?, ids?);
            let at = batch.column(3).as_primitive::<TimestampMicrosecondType>();
            for (row, subject) in subjects.as_string::<i32>().iter().enumerate() {
                let hash = subject.and_then(|subject| blake3::Hash::from_hex(subject).ok());
                let (Some(hash), Some(at)) = (hash, DateTime::from_timestamp_micros(at.value(row))) else {
                    return Err(Error::corrupt(phrase!("{}, row {row} of {}: unreadable", lake.name(), file.path(&lake.folder))));
                };
                let id = ids.as_string::<i32>().value(row);
                let erasure_id = erasures.entry(id.to_owned()).or_insert_with(|| id.into()).clone();
                let kind = kinds.as_string::<i32>().value(row);
                list.has_addresses |= kind == "address";
                list.has_former |= kind == FORMER;
                list.subjects.insert(*hash.as_bytes(), Erased { at, erasure_id });
            }
        }
    }
    let list = Arc::new(list);
    *read = Some((version, list.clone()));
    Ok(list)
}

/// The table of the ledger.
pub fn table() -> Result<&'static Arc<Table>> {
    known("erased").ok_or_else(|| Error::internal("no ledger of what was erased"))
}
