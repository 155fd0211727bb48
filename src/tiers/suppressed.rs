//! The list of what was erased: rows that name an erased person, or are one of their records, are refused for ever.
//!
//! It is kept in the ledger `erased` as hashes under a key of the warehouse's own (`erased/key`): who holds an id and the
//! key can ask whether it was erased, and nobody can read off who was. On it stand, of each person, all their ids, their
//! addresses, and of their e-mails and links the keys and the e-mails' ids: a record may come again with its contact blanked.
//!
//! **Invariant**: a row on the list enters no table once its erasure is done. An erasure commits the list first, and then
//! changes each table by a commit of its own, be there anything to remove or not. An upsert pins its table first and reads
//! the list after it. So either it read the list with the erasure on it, and drops the rows; or it read the list before,
//! hence pinned the table before that commit, loses its compare-and-swap and prepares anew, with the list.
//! For that a table must be there to be changed: one that nobody could know of beforehand (a new table of attributes) is
//! committed empty before the upsert that makes it reads the list.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field as ArrowField, Int32Type, Schema, TimestampMicrosecondType};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions};
use uuid::Uuid;

use super::upsert::Upsert;
use super::warehouse::Warehouse;
use crate::error::{Context, Error, Result};
use crate::lake::fold::keys;
use crate::lake::paths::{self, Role};
use crate::lake::read;
use crate::record::fields::{self, Field, Kind, Source, Table, known};
use crate::record::id::{CONTACT_PREFIX, LEAD_PREFIX, SfId};

/// Columns in which Marketing Cloud's own feeds carry an address instead of an id.
const ADDRESS_COLUMNS: [&str; 3] = ["subscriber_key", "email_address", "email"];

/// Application transaction of the ledger: which key its entries are hashed under.
const KEY: &str = "ier.erased_key";

/// Entries on their way into the ledger, in memory.
const BUFFER_BYTES: usize = 64 << 20;

/// What can stand on the list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Subject<'a> {
    /// An id of a person.
    Person(&'a SfId),
    /// An address of a person.
    Address(&'a str),
    /// The id of an e-mail's record.
    Ier(&'a str),
    /// The key of a record, and its table.
    Record(&'a str, &'a str),
}

impl Subject<'_> {
    /// As the ledger names the kind.
    fn kind(self) -> &'static str {
        match self {
            Self::Person(_) => "person",
            Self::Address(_) => "address",
            Self::Ier(_) => "ier",
            Self::Record(..) => "record",
        }
    }
}

/// A hash under the warehouse's key.
pub type Hash = [u8; 32];

/// What hashes subjects.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("key of the list of what was erased")
    }
}

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

    /// Tells which key it is, and nothing about it. Each commit of the ledger carries it, so that another key in this one's place is
    /// found before it is believed.
    fn fingerprint(&self) -> i64 {
        let hash = *blake3::keyed_hash(&self.0, b"which key").as_bytes();
        let first = hash.first_chunk::<8>().copied().unwrap_or_default();
        (u64::from_be_bytes(first) >> 1) as i64
    }

    /// A key for a list that is not kept.
    pub fn random() -> Self {
        Self(*blake3::hash(&[Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat()).as_bytes())
    }

    /// The hash of a subject.
    pub fn hash(&self, subject: Subject<'_>) -> Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(subject.kind().as_bytes());
        let parts = match subject {
            Subject::Person(id) => ["", id.as_str()],
            Subject::Address(address) => ["", address],
            Subject::Ier(id) => ["", id],
            Subject::Record(table, key) => [table, key],
        };
        for part in parts {
            hasher.update(b"\0");
            hasher.update(part.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }
}

fn place(warehouse: &Warehouse) -> Path {
    Path::from_iter(warehouse.root().base.parts().chain(Path::from(paths::ERASED_KEY).parts()))
}

/// An address as it is compared.
pub fn address(text: &str) -> Option<String> {
    let text = text.trim();
    (text.contains('@') && !text.contains(char::is_whitespace)).then(|| text.to_lowercase())
}

/// By which erasure something was erased, and when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Erased {
    /// When it was put on the list.
    pub at: DateTime<Utc>,
    /// The erasure.
    pub erasure_id: Arc<str>,
}

/// The list, as it was at one version of the ledger.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// None as long as the list is empty.
    key: Option<Key>,
    subjects: hashbrown::HashMap<Hash, Erased>,
    has_addresses: bool,
}

/// A list with the version of the ledger it was read from.
pub type Read = Option<(u64, Arc<List>)>;

/// The list of a warehouse, as it is now. Costs one look at the ledger's version when nothing has changed since the last call.
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
        // The last erasure was before commits told of the key; an upgrade of the warehouse has noted which it was.
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
                list.has_addresses |= kinds.as_string::<i32>().value(row) == "address";
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

/// Puts subjects on the list; those on it stay as they were first written. When this returns they are on it.
pub async fn suppress(
    warehouse: &Arc<Warehouse>,
    key: &Key,
    subjects: &[Subject<'_>],
    at: DateTime<Utc>,
    erasure_id: &str,
) -> Result<()> {
    let known = list(warehouse).await?;
    let new: Vec<(&str, Hash)> = subjects
        .iter()
        .map(|subject| (subject.kind(), key.hash(*subject)))
        .filter(|(_, hash)| !known.subjects.contains_key(hash))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let times = TimestampMicrosecondArray::from_iter_values(new.iter().map(|_| at.timestamp_micros()));
    let hex = |hash: &Hash| blake3::Hash::from_bytes(*hash).to_hex().to_string();
    let columns: [(&str, ArrayRef); 4] = [
        ("kind", Arc::new(StringArray::from_iter_values(new.iter().map(|(kind, _)| kind)))),
        ("subject", Arc::new(StringArray::from_iter_values(new.iter().map(|(_, hash)| hex(hash))))),
        ("erased_at", cast(&times, &Kind::Time.lake_type())?),
        ("erasure_id", Arc::new(StringArray::from_iter_values(new.iter().map(|_| erasure_id)))),
    ];
    let schema: Vec<ArrowField> =
        columns.iter().map(|(name, column)| ArrowField::new(*name, column.data_type().clone(), true)).collect();
    let rows = RecordBatch::try_new(Arc::new(Schema::new(schema)), columns.map(|(_, column)| column).to_vec())?;
    let mut upsert = Upsert::new(warehouse, table()?, BUFFER_BYTES).await?.with_transaction(KEY, key.fingerprint());
    upsert.push(&rows)?;
    upsert.write().await.context(|| "cannot write the list of what was erased")?;
    Ok(())
}

impl List {
    /// A list that is not kept: to find what a kept one would refuse.
    pub fn of<'a>(key: Key, subjects: impl IntoIterator<Item = Subject<'a>>) -> Self {
        let mut list = Self { key: Some(key), ..Self::default() };
        let erased = Erased { at: DateTime::UNIX_EPOCH, erasure_id: "".into() };
        for subject in subjects {
            list.has_addresses |= matches!(subject, Subject::Address(_));
            if let Some(hash) = list.key.as_ref().map(|key| key.hash(subject)) {
                list.subjects.insert(hash, erased.clone());
            }
        }
        list
    }

    /// Is nothing on it?
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    /// Is a subject on it, and by which erasure?
    pub fn find(&self, subject: Subject<'_>) -> Option<&Erased> {
        self.subjects.get(&self.key.as_ref()?.hash(subject))
    }

    /// The rows of a batch that are not refused, and how many are.
    pub fn admitted(&self, table: &Table, batch: RecordBatch) -> Result<(RecordBatch, u64)> {
        match self.refused(table, &batch)? {
            None => Ok((batch, 0)),
            Some(refused) => {
                let count = refused.true_count() as u64;
                Ok((filter_record_batch(&batch, &arrow::compute::not(&refused)?)?, count))
            }
        }
    }

    /// Which rows of a batch name somebody erased, or are one of their records; `None` when none does.
    ///
    /// A row of a table that is kept by address rather than by id is refused for an address only where no other person's id
    /// stands in it: several people may share an address.
    pub fn refused(&self, table: &Table, batch: &RecordBatch) -> Result<Option<BooleanArray>> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut refused = vec![false; batch.num_rows()];
        let mut names_others = vec![false; batch.num_rows()];
        for field in naming(table) {
            let Some(column) = batch.column_by_name(&field.name) else { continue };
            each_text(column, |rows, text| {
                let Some(id) = person(text) else { return };
                let marks = if self.find(Subject::Person(&id)).is_some() { &mut refused } else { &mut names_others };
                rows.for_each(|row| marks[row] = true);
            })?;
        }
        if let Some(column) = batch.column_by_name("ier_id") {
            each_text(column, |rows, text| {
                if self.find(Subject::Ier(text)).is_some() {
                    rows.for_each(|row| refused[row] = true);
                }
            })?;
        }
        if !table.ledger {
            for (row, key) in keys(batch)?.iter().enumerate() {
                if key.is_some_and(|key| self.find(Subject::Record(&table.name, key)).is_some()) {
                    refused[row] = true;
                }
            }
        }
        if self.has_addresses {
            for column in addressed(table).filter_map(|name| batch.column_by_name(name)) {
                each_text(column, |rows, text| {
                    if address(text).is_some_and(|address| self.find(Subject::Address(&address)).is_some()) {
                        rows.for_each(|row| refused[row] |= !names_others[row]);
                    }
                })?;
            }
        }
        Ok(refused.contains(&true).then(|| BooleanArray::from(refused)))
    }
}

/// The columns of a table that can name a person. Of a table of attributes any text may be an id.
pub fn naming(table: &Table) -> impl Iterator<Item = &Field> {
    let attributes = fields::known(&table.name).is_none();
    table.fields.iter().filter(move |field| match field.kind {
        Kind::Id => true,
        Kind::LabelId => !table.tiered,
        Kind::Text | Kind::Label => field.source != Source::Hidden && (attributes || field.name == "subscriber_key"),
        _ => false,
    })
}

/// The columns of a table that can hold the address of somebody no id in the row names.
pub fn addressed(table: &Table) -> impl Iterator<Item = &'static str> + use<'_> {
    let by_address = table.name == "not_sent" || fields::known(&table.name).is_none();
    ADDRESS_COLUMNS.into_iter().filter(move |name| by_address && table.field(name).is_some())
}

/// The id of a person that a text is, in either form.
pub fn person(text: &str) -> Option<SfId> {
    let prefix = text.trim_start().get(..3)?;
    if ![CONTACT_PREFIX, LEAD_PREFIX].iter().any(|own| own.eq_ignore_ascii_case(prefix)) {
        return None;
    }
    SfId::parse(text).ok().filter(SfId::is_person)
}

/// Tells each text of a column once for a run of rows that hold it; of a dictionary, each value with all its rows.
fn each_text(column: &ArrayRef, mut told: impl FnMut(&mut dyn Iterator<Item = usize>, &str)) -> Result<()> {
    if let Some(labels) = column.as_dictionary_opt::<Int32Type>() {
        let values = cast(labels.values(), &DataType::Utf8)?;
        let values = values.as_string::<i32>();
        let mut rows: Vec<Vec<usize>> = vec![Vec::new(); values.len()];
        for (row, key) in labels.keys().iter().enumerate() {
            if let Some(rows) = key.and_then(|key| rows.get_mut(key as usize)) {
                rows.push(row);
            }
        }
        for (value, rows) in values.iter().zip(rows) {
            if let (Some(value), false) = (value, rows.is_empty()) {
                told(&mut rows.into_iter(), value);
            }
        }
        return Ok(());
    }
    let texts = cast(column, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    let mut first = 0;
    while first < texts.len() {
        let run = (first + 1..texts.len())
            .take_while(|row| texts.is_valid(*row) == texts.is_valid(first) && texts.value(*row) == texts.value(first));
        let end = run.last().map_or(first + 1, |last| last + 1);
        if texts.is_valid(first) {
            told(&mut (first..end), texts.value(first));
        }
        first = end;
    }
    Ok(())
}
