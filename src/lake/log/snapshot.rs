//! A snapshot: which files are live at one version of a table, and what the log knows about each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate};
use datafusion::common::ScalarValue;
use datafusion::physical_plan::DisplayFormatType;
use deltalake_core::kernel::Add;
use deltalake_core::table::state::DeltaTableState;
use object_store::ObjectMeta;
use object_store::path::Path;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::lake::file::appendix::Place;
use crate::lake::file::checksums::Tail;
use crate::lake::file::tags;
use crate::lake::paths::{Partition, Role};
use crate::record::fields::{Kind, Table};

/// Least and greatest value and number of nulls of a column in one file.
#[derive(Clone, Debug)]
pub struct ColumnRange {
    /// Least value, in SQL types; null when unknown or when all values are null.
    pub min: ScalarValue,
    /// Greatest value (for moments: rounded up to the log's millisecond).
    pub max: ScalarValue,
    /// Number of nulls, where known.
    pub nulls: Option<u64>,
}

/// A live file.
#[derive(Clone, Debug)]
pub struct DataFile {
    /// The file's entry in the log.
    pub add: Add,
    /// Its partition.
    pub partition: Partition,
    /// Its rows.
    pub rows: u64,
    /// Statistics of the columns that have them.
    pub ranges: BTreeMap<String, ColumnRange>,
}

impl DataFile {
    /// Reads a log entry.
    pub fn new(table: &Table, role: Role, add: Add) -> Result<Self> {
        let stats: Value = match &add.stats {
            Some(stats) => serde_json::from_str(stats)
                .map_err(|error| Error::corrupt(phrase!("unreadable statistics of {}: {error}", add.path)))?,
            None => Value::Null,
        };
        let rows =
            stats["numRecords"].as_u64().ok_or_else(|| Error::corrupt(phrase!("the log has no row count for {}", add.path)))?;
        let mut ranges = BTreeMap::new();
        for column in table.stats_columns() {
            let kind = table.field(column).map_or(Kind::Text, |field| field.kind);
            ranges.insert(
                column.to_owned(),
                ColumnRange {
                    min: scalar(kind, &stats["minValues"][column]),
                    max: scalar(kind, &stats["maxValues"][column]),
                    nulls: stats["nullCount"][column].as_u64(),
                },
            );
        }
        let value = role.partition_column().and_then(|column| add.partition_values.get(column)).and_then(Option::as_deref);
        Ok(Self { partition: Partition::parse(value)?, rows, ranges, add })
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.add.size.max(0) as u64
    }

    /// The value of one of our tags.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.add.tags.as_ref()?.get(name)?.as_deref()
    }

    /// What proves the end of the file; none for a file written before that was kept.
    ///
    /// # Errors
    /// Corrupt when the log says what cannot be read.
    pub fn tail(&self) -> Result<Option<Tail>> {
        let tail = self.tag(tags::TAIL).map(|text| Tail::parse(text).filter(|tail| tail.bytes <= self.bytes()));
        match tail {
            Some(None) => Err(Error::corrupt(phrase!("the log's {} of {} is unreadable", tags::TAIL, self.add.path))),
            tail => Ok(tail.flatten()),
        }
    }

    /// The position of its rollup; none when it has none.
    ///
    /// # Errors
    /// Corrupt when the log says what cannot be read.
    pub fn rollup(&self) -> Result<Option<Place>> {
        self.appendix(tags::ROLLUP)
    }

    /// Where its rare rows stand; none where none are kept.
    ///
    /// # Errors
    /// Corrupt when the log says what cannot be read.
    pub fn rare(&self) -> Result<Option<Place>> {
        self.appendix(tags::RARE)
    }

    fn appendix(&self, tag: &str) -> Result<Option<Place>> {
        let place = |text| Place::parse(text).filter(|place| place.bytes.end <= self.bytes());
        let unreadable = || Error::corrupt(phrase!("the log's {tag} of {} is unreadable", self.add.path));
        self.tag(tag).map(|text| place(text).ok_or_else(unreadable)).transpose()
    }

    /// Days under which the archive may hold keys of this file's marked rows; see [`tags::LATE`].
    pub fn late_days(&self) -> impl Iterator<Item = i32> + '_ {
        self.tag(tags::LATE).into_iter().flat_map(|days| days.split(',').filter_map(|day| day.parse().ok()))
    }

    /// May a text column hold any of these sorted values? `true` when the log does not know.
    pub fn may_hold(&self, column: &str, sorted: &[&str]) -> bool {
        let Some(ColumnRange { min: ScalarValue::Utf8View(Some(min)), max: ScalarValue::Utf8View(Some(max)), .. }) =
            self.ranges.get(column)
        else {
            return true;
        };
        let first = sorted.partition_point(|value| *value < min.as_str());
        sorted.get(first).is_some_and(|value| *value <= max.as_str())
    }

    /// The file as the store knows it, below the table's folder `table`.
    pub fn object(&self, table: &Path) -> ObjectMeta {
        ObjectMeta {
            location: self.path(table),
            last_modified: DateTime::from_timestamp_millis(self.add.modification_time).unwrap_or_default(),
            size: self.bytes(),
            e_tag: None,
            version: None,
        }
    }

    /// The file's place in the store.
    pub fn path(&self, table: &Path) -> Path {
        Path::from_iter(table.parts().chain(Path::from(self.add.path.as_str()).parts()))
    }
}

fn scalar(kind: Kind, value: &Value) -> ScalarValue {
    match kind {
        Kind::Id | Kind::Text | Kind::Label | Kind::LabelId => ScalarValue::Utf8View(value.as_str().map(str::to_owned)),
        Kind::Bool => ScalarValue::Boolean(value.as_bool()),
        Kind::Int => ScalarValue::Int32(value.as_i64().and_then(|value| value.try_into().ok())),
        Kind::Long => ScalarValue::Int64(value.as_i64()),
        Kind::Time => {
            let micros =
                value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|time| time.timestamp_micros());
            ScalarValue::TimestampMicrosecond(micros, Some(crate::record::fields::UTC.clone()))
        }
        Kind::Date => {
            ScalarValue::Date32(value.as_str().and_then(|text| text.parse::<NaiveDate>().ok()).map(|date| date.to_epoch_days()))
        }
    }
}

/// Files as `EXPLAIN` names them.
pub fn files_shown<'a>(folder: &Path, files: impl Iterator<Item = &'a Arc<DataFile>>, format: DisplayFormatType) -> String {
    let files: Vec<&Arc<DataFile>> = files.collect();
    let shown = if matches!(format, DisplayFormatType::Verbose) { files.len() } else { files.len().min(FILES_SHOWN) };
    let more = if shown < files.len() { ", ..." } else { "" };
    let names: Vec<String> = files[..shown].iter().map(|file| file.path(folder).to_string()).collect();
    format!("{} files=[{}{more}]", files.len(), names.join(", "))
}

/// Files that `EXPLAIN` names.
const FILES_SHOWN: usize = 5;

/// One version of a table.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The log's version; `None` before the table's first commit.
    pub version: Option<u64>,
    /// Live files by partition, each partition's in path order.
    pub partitions: BTreeMap<Partition, Vec<Arc<DataFile>>>,
    /// Application transactions read with it.
    pub transactions: HashMap<&'static str, i64>,
    /// Columns the log's schema has, for tables whose columns grow.
    pub columns: Vec<String>,
    /// What the next commit builds on.
    pub(crate) state: Option<DeltaTableState>,
}

impl Snapshot {
    /// The live files, by partition.
    pub fn files(&self) -> impl Iterator<Item = &Arc<DataFile>> {
        self.partitions.values().flatten()
    }

    /// The live files of one partition.
    pub fn partition(&self, partition: Partition) -> &[Arc<DataFile>] {
        self.partitions.get(&partition).map_or(&[], Vec::as_slice)
    }

    /// Rows in all files.
    pub fn rows(&self) -> u64 {
        self.files().map(|file| file.rows).sum()
    }

    /// What readers will see once these files are out of the log. It is for looking only: nothing can be committed on it.
    pub fn without(&self, paths: &BTreeSet<&str>) -> Self {
        let stays = |file: &&Arc<DataFile>| !paths.contains(file.add.path.as_str());
        let partitions = self.partitions.iter().map(|(partition, files)| {
            let files: Vec<_> = files.iter().filter(stays).cloned().collect();
            (*partition, files)
        });
        Self {
            version: self.version,
            partitions: partitions.filter(|(_, files)| !files.is_empty()).collect(),
            transactions: self.transactions.clone(),
            columns: self.columns.clone(),
            state: None,
        }
    }

    /// The value an application transaction last had.
    pub fn transaction(&self, name: &str) -> Option<i64> {
        self.transactions.get(name).copied()
    }
}
