//! The names of a record, and the rule which versions belong to one record.
//!
//! A version has up to three names: its own key (MergeId; of a link its unique link id), job + list + batch + subscriber
//! together, and its Salesforce id. Exports leave some out, so versions of one record come under keys of different rules (Rule
//! 1). Two versions belong to one record when they share a name, or when a third version shares one with each of them, whichever
//! comes first.
//!
//! **Two own keys are two records**, whatever else they share: the key decides, not the id (a record that was deleted in
//! Salesforce and then opened late has a new id and the same MergeId; one id under two MergeIds is two records). A version that
//! shares a name with two such records, and has no own key, belongs to the one with the lesser key.
//!
//! A record is stored under one key for good, the best it had when it first came. A better key learned later is found by its
//! column; the stored row is not rewritten under it. Names that the columns no longer hold, for example an earlier id, are noted
//! with the row ([`hidden::KEPT`]), so that they still lead to it.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::fields::{KeyRule, Table, hidden};
use super::kept::former_names;
use crate::error::{Error, Result};

/// The columns that name an IER together.
pub const PARTS: [&str; 4] = ["job_id", "list_id", "batch_id", "subscriber_id"];

/// Before keys of these characters there are only those of versions without a key of their own.
pub const LEAST_OWN: &str = "\u{3}";

/// The key of a version that has only its Salesforce id.
pub fn id_key(id: &str) -> String {
    format!("\u{2}{id}")
}

/// The key of a version that has job, list, batch and subscriber.
pub fn parts_key([job, list, batch, subscriber]: [&str; 4]) -> String {
    format!("\u{1}{job}\u{1}{list}\u{1}{batch}\u{1}{}", subscriber.to_lowercase())
}

/// Is this the key of a version that had none of its own?
pub fn is_makeshift(key: &str) -> bool {
    key < LEAST_OWN
}

/// The rule a key was made by, best first.
fn rule(key: &str) -> u8 {
    match key.as_bytes().first() {
        Some(1) => 1,
        Some(2) => 2,
        _ => 0,
    }
}

/// The form in which a name is noted with a row whose columns no longer hold it.
pub fn noted(name: &str) -> String {
    blake3::hash(name.as_bytes()).to_hex()[..32].to_owned()
}

/// The column with the key of its own of a table whose rows may have other names; `None` for tables of one rule.
pub fn own_column(table: &Table) -> Option<&'static str> {
    match table.key {
        KeyRule::Ier => Some("merge_id"),
        KeyRule::ColumnElseId(column) => Some(column),
        KeyRule::IdElseRow | KeyRule::ColumnsElseRow(_) => None,
    }
}

/// The columns that tell the names of a table's rows.
pub fn columns(table: &Table) -> Vec<&'static str> {
    let parts = if table.key == KeyRule::Ier { PARTS.as_slice() } else { &[] };
    let own = own_column(table).into_iter();
    [hidden::KEY, hidden::KEPT, table.id].into_iter().chain(own).chain(parts.iter().copied()).collect()
}

/// The names of one version or of one stored row.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RecordNames {
    /// The key it has.
    pub key: String,
    /// The key of its own, if it has one.
    pub own: Option<String>,
    /// Its other names, as keys are made of them.
    pub names: Vec<String>,
    /// Names it had, as [`noted`].
    pub former: Vec<String>,
    /// Is it stored?
    pub stored: bool,
}

impl RecordNames {
    /// Does it go by a name, now or formerly?
    pub fn goes_by(&self, name: &str) -> bool {
        self.names.iter().any(|own| own == name) || !self.former.is_empty() && self.former.contains(&noted(name))
    }

    fn add(&mut self, other: Self) {
        self.own = self.own.take().or(other.own);
        self.names.extend(other.names);
        self.former.extend(other.former);
        for texts in [&mut self.names, &mut self.former] {
            texts.sort_unstable();
            texts.dedup();
        }
        self.stored |= other.stored;
    }
}

/// Reads names from a batch that has at least the [`columns`] of its table.
pub struct NameReader {
    keys: StringArray,
    kept: StringArray,
    own: StringArray,
    ids: StringArray,
    parts: Vec<StringArray>,
}

impl NameReader {
    /// Of a batch; `None` for tables of one rule.
    pub fn of(table: &Table, batch: &RecordBatch) -> Result<Option<Self>> {
        let Some(own) = own_column(table) else { return Ok(None) };
        let texts = |name: &str| -> Result<StringArray> {
            let column = batch.column_by_name(name).ok_or_else(|| Error::internal(format!("no column {name}")))?;
            Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
        };
        let parts =
            if table.key == KeyRule::Ier { PARTS.iter().map(|name| texts(name)).collect::<Result<_>>()? } else { Vec::new() };
        let (keys, kept) = (texts(hidden::KEY)?, texts(hidden::KEPT)?);
        Ok(Some(Self { keys, kept, own: texts(own)?, ids: texts(table.id)?, parts }))
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.keys.len()
    }

    /// The key of a row.
    pub fn key(&self, row: usize) -> &str {
        self.keys.value(row)
    }

    /// What the other names of a row are.
    pub fn names(&self, row: usize) -> Vec<String> {
        let mut names = Vec::with_capacity(2);
        if let [Some(job), Some(list), Some(batch), Some(subscriber)] = [0, 1, 2, 3].map(|at| text(self.parts.get(at)?, row)) {
            names.push(parts_key([job, list, batch, subscriber]));
        }
        names.extend(text(&self.ids, row).map(id_key));
        let key = self.key(row);
        if is_makeshift(key) && names.iter().all(|name| name != key) {
            names.push(key.to_owned());
        }
        names
    }

    /// All that a row is known by.
    pub fn record_names(&self, row: usize, stored: bool) -> Result<RecordNames> {
        let key = self.key(row).to_owned();
        let provided = text(&self.own, row).map(|own| own.trim().to_lowercase());
        let own = provided.or_else(|| (!is_makeshift(&key)).then(|| key.clone()));
        let former = text(&self.kept, row).map(former_names).transpose()?.unwrap_or_default();
        Ok(RecordNames { names: self.names(row), key, own, former, stored })
    }
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row)).filter(|text| !text.is_empty())
}

/// One record that goes by several keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OneRecord {
    /// The key it is, or is to be, stored under.
    pub key: String,
    /// All its keys, ascending.
    pub keys: Vec<String>,
    /// Those under which rows are stored, ascending.
    pub stored: Vec<String>,
}

/// The records among these that go by several keys. Does not depend on the order in which they are given.
pub fn records(all: Vec<RecordNames>) -> Vec<OneRecord> {
    let mut by_key: BTreeMap<String, RecordNames> = BTreeMap::new();
    for known in all {
        match by_key.get_mut(&known.key) {
            Some(there) => there.add(known),
            None => drop(by_key.insert(known.key.clone(), known)),
        }
    }
    let all: Vec<RecordNames> = by_key.into_values().collect();
    let mut sets = Sets((0..all.len()).collect());
    let has_former = all.iter().any(|known| !known.former.is_empty());
    // By own key: rows of one key of their own are one record.
    let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
    // By name (and by noted name): the record of its own key, the least where there are two; and what has none.
    let mut owned: HashMap<String, &str> = HashMap::new();
    let mut free: HashMap<String, usize> = HashMap::new();
    for (at, known) in all.iter().enumerate() {
        let noted = known.names.iter().filter(|_| has_former).map(|name| noted(name));
        let names = known.names.iter().cloned().chain(noted).chain(known.former.iter().cloned());
        match &known.own {
            Some(own) => {
                let first = *owners.entry(own).or_insert(at);
                sets.join(first, at);
                for name in names {
                    let least = owned.entry(name).or_insert(own);
                    *least = (*least).min(own);
                }
            }
            None => names.for_each(|name| sets.join(*free.entry(name).or_insert(at), at)),
        }
    }
    // What has no key of its own, all of it that is one, goes to the least of those it shares a name with.
    let mut goes_to: BTreeMap<usize, &str> = BTreeMap::new();
    for (name, at) in &free {
        if let Some(own) = owned.get(name) {
            let least = goes_to.entry(sets.root(*at)).or_insert(own);
            *least = (*least).min(own);
        }
    }
    for (at, own) in goes_to {
        if let Some(owner) = owners.get(own) {
            sets.join(*owner, at);
        }
    }
    let mut records: BTreeMap<usize, Vec<&RecordNames>> = BTreeMap::new();
    for (at, known) in all.iter().enumerate() {
        records.entry(sets.root(at)).or_default().push(known);
    }
    let several = records.into_values().filter(|members| members.len() > 1);
    several.filter_map(|members| one(&members)).collect()
}

fn one(members: &[&RecordNames]) -> Option<OneRecord> {
    let keys = |stored: bool| members.iter().filter(move |known| known.stored || !stored).map(|known| known.key.as_str());
    let best = |stored: bool| keys(stored).min_by_key(|key| (rule(key), *key));
    let key = best(true).or_else(|| best(false))?.to_owned();
    let listed = |stored: bool| keys(stored).map(str::to_owned).collect();
    Some(OneRecord { key, keys: listed(false), stored: listed(true) })
}

/// Disjoint sets; a set's root is its least member.
struct Sets(Vec<usize>);

impl Sets {
    fn root(&mut self, mut member: usize) -> usize {
        while self.0[member] != member {
            self.0[member] = self.0[self.0[member]];
            member = self.0[member];
        }
        member
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests;
