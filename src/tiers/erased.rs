//! The list of what was erased, in memory: hashes under the warehouse's key. It tells which rows of a batch name somebody on the
//! list, or are one of their records.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Int32Type};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::Result;
use crate::lake::columns::keys;
use crate::record::fields::{self, Field, Kind, Source, Table};
use crate::record::id::{CONTACT_PREFIX, LEAD_PREFIX, SfId};
use crate::record::names::{NameReader, is_makeshift, noted};

/// Columns in which Marketing Cloud's own feeds carry an address instead of an id.
const ADDRESS_COLUMNS: [&str; 3] = ["subscriber_key", "email_address", "email"];

/// The kind of [`Subject::Former`].
pub(super) const FORMER: &str = "former name";

/// An entry that can be on the list.
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
    /// Another name of a record that has a key of its own ([`crate::record::names`]), and its table. What has the name and another key
    /// of its own is another record.
    Name(&'a str, &'a str),
    /// A name that such a record had, as it is noted with it, and its table.
    Former(&'a str, &'a str),
}

impl Subject<'_> {
    /// As the ledger names the kind.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Person(_) => "person",
            Self::Address(_) => "address",
            Self::Ier(_) => "ier",
            Self::Record(..) => "record",
            Self::Name(..) => "name",
            Self::Former(..) => FORMER,
        }
    }
}

/// A hash under the warehouse's key.
pub type Hash = [u8; 32];

/// The key with which subjects are hashed.
#[derive(Clone)]
pub struct Key(pub(super) [u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("key of the list of what was erased")
    }
}

impl Key {
    /// The fingerprint identifies the key and reveals nothing about it. Each commit of the ledger carries it, so that another key
    /// in its place is found before it is used.
    pub(crate) fn fingerprint(&self) -> i64 {
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
            Subject::Record(table, key) | Subject::Name(table, key) | Subject::Former(table, key) => [table, key],
        };
        for part in parts {
            hasher.update(b"\0");
            hasher.update(part.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }
}

/// The form of an address that is compared.
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
    pub(crate) key: Option<Key>,
    pub(crate) subjects: hashbrown::HashMap<Hash, Erased>,
    pub(super) has_addresses: bool,
    pub(super) has_former: bool,
}

/// A list with the version of the ledger it was read from.
pub type Read = Option<(u64, Arc<List>)>;

impl List {
    /// A list that is not kept: to find what a kept one would refuse.
    pub fn of<'a>(key: Key, subjects: impl IntoIterator<Item = Subject<'a>>) -> Self {
        let mut list = Self { key: Some(key), ..Self::default() };
        let erased = Erased { at: DateTime::UNIX_EPOCH, erasure_id: "".into() };
        for subject in subjects {
            list.has_addresses |= matches!(subject, Subject::Address(_));
            list.has_former |= matches!(subject, Subject::Former(..));
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

    /// The rows of a batch that name an erased person or are one of their records; `None` when no row does.
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
        if table.tiered
            && let Some(reader) = NameReader::of(table, batch)?
        {
            for (row, refused) in refused.iter_mut().enumerate().filter(|(_, refused)| !**refused) {
                *refused = self.is_known(table, &reader, row);
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

impl List {
    /// Is a row one of an erased record's versions by another name than its key? Where the erased record had a key of its own, only
    /// what has none can be.
    fn is_known(&self, table: &Table, reader: &NameReader, row: usize) -> bool {
        let is_free = is_makeshift(reader.key(row));
        let has = |subject: Subject<'_>| self.find(subject).is_some();
        reader.names(row).iter().any(|name| {
            has(Subject::Record(&table.name, name))
                || is_free && has(Subject::Name(&table.name, name))
                || is_free && self.has_former && has(Subject::Former(&table.name, &noted(name)))
        })
    }
}

/// All names of some stored records that go: each with its table on the list, they keep every version of theirs out.
#[derive(Debug, Default)]
pub struct AllNames {
    records: BTreeSet<String>,
    names: BTreeSet<String>,
    former: BTreeSet<String>,
}

impl AllNames {
    /// Of rows with the [`columns`](crate::record::names::columns) of their table.
    ///
    /// # Errors
    /// Corrupt when notes cannot be read.
    pub fn of(table: &Table, rows: &RecordBatch) -> Result<Self> {
        let mut all = Self::default();
        let Some(reader) = NameReader::of(table, rows)? else { return Ok(all) };
        for row in 0..reader.rows() {
            let known = reader.record_names(row, true)?;
            // Without a key of its own: a version that has one is the record's all the same, if it shares a name.
            let others = if known.own.is_some() { &mut all.names } else { &mut all.records };
            others.extend(known.names);
            all.records.extend(known.own);
            all.former.extend(known.former);
        }
        Ok(all)
    }

    /// As they are put on the list.
    pub fn subjects<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = Subject<'a>> {
        let records = self.records.iter().map(|name| Subject::Record(&table.name, name));
        let names = self.names.iter().map(|name| Subject::Name(&table.name, name));
        records.chain(names).chain(self.former.iter().map(|name| Subject::Former(&table.name, name)))
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

/// The columns of a table that can hold an address of a person whose id is not in the row.
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

/// Reports each text of a column once for a run of rows that hold it; for a dictionary, each value with all its rows.
fn each_text(column: &ArrayRef, mut on_text: impl FnMut(&mut dyn Iterator<Item = usize>, &str)) -> Result<()> {
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
                on_text(&mut rows.into_iter(), value);
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
            on_text(&mut (first..end), texts.value(first));
        }
        first = end;
    }
    Ok(())
}
