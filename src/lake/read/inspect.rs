//! Checks one file from end to end: do its bytes have the hash in the log, and is what the log says of its rows true?
//!
//! The file is fetched once, whole, and both checks use these bytes. Nothing is changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, TimestampMicrosecondType};
use bytes::Bytes;
use datafusion::common::ScalarValue;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::{Context, Error, Result};
use crate::lake::file::rare::{RareBuilder, RareRows};
use crate::lake::file::rollup::{Rollup, RollupBuilder};
use crate::lake::file::sort::SortKeys;
use crate::lake::file::tags;
use crate::lake::log::snapshot::{ColumnRange, DataFile};
use crate::lake::log::table::LakeTable;
use crate::lake::paths::Role;
use crate::lake::read;
use crate::record::fields::{Kind, hidden};
use crate::record::key::sent_days;

/// Fetches a live file whole; `progress` is called with the bytes as they arrive.
///
/// # Errors
/// Not found when it is not there, unavailable when the store does not answer.
pub async fn fetch(table: &LakeTable, file: &DataFile, progress: &(dyn Fn(u64) + Send + Sync)) -> Result<Bytes> {
    let mut parts = table.store.get(&file.path(&table.folder)).await?.into_stream();
    let mut whole = Vec::with_capacity(file.bytes() as usize);
    while let Some(part) = parts.try_next().await? {
        progress(part.len() as u64);
        whole.extend_from_slice(&part);
    }
    Ok(Bytes::from(whole))
}

/// The problem of a file's bytes; none when they are as written.
pub fn bytes_wrong(file: &DataFile, bytes: &Bytes) -> Option<String> {
    let size = bytes.len() as u64;
    if size != file.bytes() {
        return Some(format!("has {size} bytes, and the log says {}", file.bytes()));
    }
    match file.tag(tags::BLAKE3) {
        None => Some("the log has no hash of it".to_owned()),
        Some(hash) if hash == blake3::hash(bytes).to_hex().as_str() => None,
        Some(_) => Some("its bytes are not those that were written".to_owned()),
    }
}

/// Reads all rows of a file that was fetched, and says what is wrong with them or with what the log says of them. `each`
/// is shown every batch.
///
/// # Errors
/// Corrupt when the rows cannot be read.
pub async fn rows_wrong(
    table: &LakeTable,
    file: &DataFile,
    bytes: Bytes,
    each: &mut (dyn FnMut(&RecordBatch) -> Result<()> + Send),
) -> Result<Vec<String>> {
    let rollup = file.rollup()?.map(|place| Rollup::decode(place.within(&bytes), &place)).transpose()?;
    let rare = file.rare()?.map(|place| RareRows::decode(place.within(&bytes), &place)).transpose()?;
    let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    memory.put(&file.path(&table.folder), bytes.into()).await?;
    let open = read::open_in(table, file, memory).await?;
    let mut rows = open.stream(None, None)?;
    let mut found = Found::new(table);
    let mut counted = rollup.as_ref().and_then(|_| RollupBuilder::new(&table.table, 0));
    let mut found_rare = rare.as_ref().and_then(|_| RareBuilder::new(&table.table, 0));
    while let Some(batch) = rows.try_next().await? {
        found.add(table, file, &batch)?;
        if let Some(counted) = &mut counted {
            counted.add(&batch)?;
        }
        if let Some(found_rare) = &mut found_rare {
            found_rare.add(&batch)?;
        }
        each(&batch)?;
    }
    let mut wrong = found.wrong(table, file);
    if rollup != counted.map(RollupBuilder::finish).transpose()?.flatten() {
        wrong.push("its rollup is not that of its rows".to_owned());
    }
    if rare != found_rare.map(RareBuilder::finish).transpose()?.flatten() {
        wrong.push("its rare rows are not those of its rows".to_owned());
    }
    Ok(wrong)
}

/// What was found in the rows.
struct Found {
    rows: u64,
    unsorted: bool,
    misplaced: u64,
    without_key: u64,
    marked: BTreeSet<i32>,
    last: Option<(SortKeys, usize)>,
    columns: Vec<Column>,
}

/// Least and greatest value and nulls of a column.
struct Column {
    name: String,
    kind: Kind,
    least: Option<ScalarValue>,
    greatest: Option<ScalarValue>,
    nulls: u64,
}

impl Found {
    fn new(table: &LakeTable) -> Self {
        let columns = table.table.stats_columns().map(|name| Column {
            name: name.to_owned(),
            kind: table.table.field(name).map_or(Kind::Text, |field| field.kind),
            least: None,
            greatest: None,
            nulls: 0,
        });
        Self {
            rows: 0,
            unsorted: false,
            misplaced: 0,
            without_key: 0,
            marked: BTreeSet::new(),
            last: None,
            columns: columns.collect(),
        }
    }

    fn add(&mut self, table: &LakeTable, file: &DataFile, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows() as u64;
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| Error::corrupt(phrase!("it has no column {name}")));
        self.without_key += column(hidden::KEY)?.null_count() as u64;
        if let Some(late) = batch.column_by_name(hidden::LATE) {
            self.marked.extend(late.as_primitive::<Date32Type>().iter().flatten());
        }
        if table.role != Role::Reference {
            let days = sent_days(batch).ok_or_else(|| Error::corrupt("it has no column sent_date"))?;
            let place = |row: usize| table.role.partition_of(days.is_valid(row).then(|| days.value(row)));
            self.misplaced += (0..batch.num_rows()).filter(|row| place(*row) != file.partition).count() as u64;
        }
        let keys = SortKeys::new(&table.table, batch)?;
        let follows = self.last.as_ref().is_none_or(|(before, row)| before.compare(*row, &keys, 0).is_lt());
        self.unsorted |= !follows || (1..batch.num_rows()).any(|row| !keys.compare(row - 1, &keys, row).is_lt());
        self.last = Some((keys, batch.num_rows() - 1));
        for known in &mut self.columns {
            known.add(batch)?;
        }
        Ok(())
    }

    fn wrong(self, table: &LakeTable, file: &DataFile) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.rows != file.rows {
            wrong.push(format!("has {} rows, and the log says {}", self.rows, file.rows));
        }
        if self.without_key > 0 {
            wrong.push(format!("{} of its rows have no key", self.without_key));
        }
        if self.unsorted {
            wrong.push(format!("its rows are not sorted by {}, or a key is twice in it", table.table.sort_columns().join(", ")));
        }
        if self.misplaced > 0 {
            wrong.push(format!("{} of its rows belong to another partition", self.misplaced));
        }
        if table.role == Role::Archive && !self.marked.is_empty() {
            wrong.push("its rows carry late marks, which only hot rows may".to_owned());
        }
        if self.marked != file.late_days().collect() {
            wrong.push("the log does not say under which days its marked rows may be archived".to_owned());
        }
        wrong.extend(self.columns.iter().filter_map(|column| column.wrong(file.ranges.get(&column.name)?)));
        wrong
    }
}

impl Column {
    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let Some(values) = batch.column_by_name(&self.name) else {
            return Err(Error::corrupt(phrase!("it has no column {}", self.name)));
        };
        self.nulls += values.null_count() as u64;
        let (least, greatest) = match self.kind {
            Kind::Id | Kind::Text | Kind::Label | Kind::LabelId => {
                let values = cast(values, &DataType::Utf8)?;
                let values = values.as_string::<i32>();
                let text = |value: Option<&str>| value.map(|value| ScalarValue::Utf8View(Some(value.to_owned())));
                (text(arrow::compute::min_string(values)), text(arrow::compute::max_string(values)))
            }
            Kind::Date => {
                let values = values.as_primitive::<Date32Type>();
                let day = |value: Option<i32>| value.map(|value| ScalarValue::Date32(Some(value)));
                (day(arrow::compute::min(values)), day(arrow::compute::max(values)))
            }
            // The log keeps milliseconds: the least is rounded down, the greatest up.
            Kind::Time => {
                let values = values.as_primitive::<TimestampMicrosecondType>();
                let moment = |micros: Option<i64>| {
                    micros.map(|micros| ScalarValue::TimestampMicrosecond(Some(micros), Some(crate::record::fields::UTC.clone())))
                };
                let down = |micros: i64| micros.div_euclid(1000) * 1000;
                let up = |micros: i64| -down(-micros);
                (moment(arrow::compute::min(values).map(down)), moment(arrow::compute::max(values).map(up)))
            }
            // No statistics are kept of these.
            Kind::Bool | Kind::Int | Kind::Long => (None, None),
        };
        let better = |new: &ScalarValue, old: &ScalarValue, than: std::cmp::Ordering| new.partial_cmp(old) == Some(than);
        if let Some(new) = least
            && self.least.as_ref().is_none_or(|old| better(&new, old, std::cmp::Ordering::Less))
        {
            self.least = Some(new);
        }
        if let Some(new) = greatest
            && self.greatest.as_ref().is_none_or(|old| better(&new, old, std::cmp::Ordering::Greater))
        {
            self.greatest = Some(new);
        }
        Ok(())
    }

    /// The error in a column's bounds, if any. A bound that the log does not have excludes nothing, so it is never wrong. Values
    /// are not shown: they may name people.
    fn wrong(&self, recorded: &ColumnRange) -> Option<String> {
        let differs =
            |recorded: &ScalarValue, found: &Option<ScalarValue>| !recorded.is_null() && found.as_ref() != Some(recorded);
        let what = if differs(&recorded.min, &self.least) {
            "least value"
        } else if differs(&recorded.max, &self.greatest) {
            "greatest value"
        } else if recorded.nulls.is_some_and(|nulls| nulls != self.nulls) {
            "number of nulls"
        } else {
            return None;
        };
        Some(format!("the log's {what} of {} is not that of its rows", self.name))
    }
}

/// The text of what went wrong when rows could not be read, without the file's name, which the reader has put in front.
pub fn unreadable(error: &Error) -> String {
    format!("its rows cannot be read: {error}")
}

/// A row by its key.
#[derive(Clone, Debug)]
pub struct KeyedRow {
    /// Its place in the file.
    pub row: u64,
    /// Its key.
    pub key: String,
    /// Does it carry a late mark?
    pub marked: bool,
}

/// The columns that tell the keys of a table's rows, and which of them carry a late mark.
pub fn key_columns(table: &LakeTable) -> &'static [&'static str] {
    if table.role == Role::Hot { &[hidden::KEY, hidden::LATE] } else { &[hidden::KEY] }
}

/// The rows of a file that are wanted by their key, and by whether they carry a late mark.
pub async fn keys_of(table: &LakeTable, file: &DataFile, wanted: impl Fn(&str, bool) -> bool) -> Result<Vec<KeyedRow>> {
    let mut rows = read::open(table, file).await?.stream(Some(key_columns(table)), None)?;
    let (mut found, mut first) = (Vec::new(), 0u64);
    while let Some(batch) = rows.try_next().await.context(|| phrase!("cannot read {}", file.path(&table.folder)))? {
        let keys = crate::lake::columns::keys(&batch)?;
        let marks = batch.column_by_name(hidden::LATE);
        for (row, key) in keys.iter().enumerate() {
            let marked = marks.is_some_and(|marks| marks.is_valid(row));
            if let Some(key) = key.filter(|key| wanted(key, marked)) {
                found.push(KeyedRow { row: first + row as u64, key: key.to_owned(), marked });
            }
        }
        first += batch.num_rows() as u64;
    }
    Ok(found)
}
