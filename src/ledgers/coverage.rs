//! The ledger of loads: how many rows each file brought to each table, and from which days. Answers use it to say how far the
//! records reach.
//!
//! A row is written in the load that commits the file's rows, once. The same bytes loaded again, under whatever name, add no row:
//! they are no new evidence. A row says what was read, not what changed. Whether a span is complete is not decided here.
//!
//! # Decisions
//! - 2026-11-22 **The ledger of loads keeps the first load of a file, by the file's hash.** When we first had it is the
//!   evidence; a second time adds none.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::{cast, max, min};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::lake::columns::keys;
use crate::lake::fold::locate;
use crate::lake::log::commit::{ATTEMPTS, lost_race};
use crate::lake::paths::Role;
use crate::lake::read;
use crate::progress::{Progress, Silent};
use crate::record::fields::{Table, UTC, known};
use crate::record::key::{complete, label_array};
use crate::source::digest::Fingerprint;
use crate::source::reading::Reading;
use crate::tiers::links;
use crate::tiers::settle::filter_keys;
use crate::tiers::upsert::Upsert;
use crate::tiers::warehouse::Warehouse;

/// Rows of the ledger are few: what a load may hold of them.
const BUFFER_BYTES: usize = 4 << 20;

/// Least and greatest moment, in microseconds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Span(Option<(i64, i64)>);

impl Span {
    fn widen(&mut self, least: i64, greatest: i64) {
        let (first, last) = self.0.unwrap_or((least, greatest));
        self.0 = Some((first.min(least), last.max(greatest)));
    }

    /// Takes in a column of moments, if the batch has it.
    fn take_in(&mut self, batch: &RecordBatch, column: &str) {
        let moments = batch.column_by_name(column).and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        if let Some((least, greatest)) = moments.and_then(|moments| min(moments).zip(max(moments))) {
            self.widen(least, greatest);
        }
    }

    fn first(&self) -> Option<i64> {
        self.0.map(|(first, _)| first)
    }

    fn last(&self) -> Option<i64> {
        self.0.map(|(_, last)| last)
    }
}

/// A row of the ledger before it is dated: what one file loaded into one table.
#[derive(Clone, Debug)]
pub struct Covered {
    source: String,
    fingerprint: Fingerprint,
    loaded: LoadedTable,
}

#[derive(Clone, Debug, Default)]
struct LoadedTable {
    object: String,
    rows_read: u64,
    rows_rejected: u64,
    reading: String,
    sent: Span,
    modstamps: Span,
}

/// A file being read.
pub struct FileInProgress {
    source: String,
    loaded: Vec<LoadedTable>,
}

impl FileInProgress {
    /// Begins with the file's name, without folders.
    pub fn of(source: String) -> Self {
        Self { source, loaded: Vec::new() }
    }

    /// Takes in rows that were read into a table. Costs two passes over two columns of numbers.
    pub fn rows(&mut self, table: &Table, batch: &RecordBatch) {
        let loaded = self.loaded(table);
        loaded.sent.take_in(batch, "date_sent");
        loaded.modstamps.take_in(batch, "system_modstamp");
    }

    /// Takes in the counts of an export that is at its end, and how it was read; a zip may hold several of one table.
    pub fn end(&mut self, table: &Table, rows_read: u64, rows_rejected: u64, reading: &Reading) {
        let loaded = self.loaded(table);
        let reading = reading.to_string();
        if loaded.reading.is_empty() {
            loaded.reading = reading;
        } else if !loaded.reading.contains(&reading) {
            loaded.reading = format!("{} | {reading}", loaded.reading);
        }
        loaded.rows_read += rows_read;
        loaded.rows_rejected += rows_rejected;
    }

    /// The file is read, and this is what it was.
    pub fn finish(self, fingerprint: &Fingerprint) -> Vec<Covered> {
        let covered = |loaded| Covered { source: self.source.clone(), fingerprint: fingerprint.clone(), loaded };
        self.loaded.into_iter().map(covered).collect()
    }

    fn loaded(&mut self, table: &Table) -> &mut LoadedTable {
        let at = self.loaded.iter().position(|loaded| loaded.object == table.name).unwrap_or_else(|| {
            self.loaded.push(LoadedTable { object: table.name.to_string(), ..LoadedTable::default() });
            self.loaded.len() - 1
        });
        &mut self.loaded[at]
    }
}

/// Adds what a load has committed. Rows that the ledger has already are left as they are.
///
/// # Errors
/// Conflict when other loads write all the time; unavailable when the store does not answer. The rows are loaded all the
/// same, and loading the files again writes what is missing here.
pub async fn record(warehouse: &Arc<Warehouse>, mut covered: Vec<Covered>) -> Result<()> {
    if covered.is_empty() {
        return Ok(());
    }
    // Files are read side by side. Of two with the same bytes the first by name is kept, whichever was read first.
    covered.sort_by(|a, b| (&a.source, &a.loaded.object).cmp(&(&b.source, &b.loaded.object)));
    let mut seen = HashSet::new();
    covered.retain(|row| seen.insert((row.fingerprint.blake3.clone(), row.loaded.object.clone())));
    let table = table()?;
    let rows = complete(table, &batch(&covered, warehouse.clock().now())?)?.batch;
    let lake = warehouse.table(Role::Reference, table).await?;
    let silent: Arc<dyn Progress> = Arc::new(Silent);
    for _ in 0..ATTEMPTS {
        let files: Vec<_> = lake.snapshot().await?.files().cloned().collect();
        let located = locate(&lake, &files, &keys(&rows)?.iter().flatten().collect()).await?;
        let known: HashSet<&str> = located.keys().collect();
        let fresh = filter_keys(&rows, |key| !known.contains(key))?;
        if fresh.num_rows() == 0 {
            return Ok(());
        }
        let mut upsert = Upsert::new(warehouse, table, BUFFER_BYTES).await?;
        upsert.push(&fresh)?;
        let prepared = upsert.prepare(&silent).await?;
        match upsert.commit(prepared).await {
            Err(error) if lost_race(&error) => {}
            done => return done.map(drop),
        }
    }
    Err(Error::conflict("other loads write to the ledger all the time"))
}

fn table() -> Result<&'static Arc<Table>> {
    known("load_coverage").ok_or_else(|| Error::internal("there is no table load_coverage"))
}

/// The ledger's rows with the columns that an export would have.
fn batch(covered: &[Covered], now: DateTime<Utc>) -> Result<RecordBatch> {
    let label = |text: fn(&Covered) -> &str| label_array(covered.iter().map(|row| Some(text(row))));
    let number = |number: fn(&Covered) -> u64| -> ArrayRef {
        Arc::new(covered.iter().map(|row| i64::try_from(number(row)).ok()).collect::<Int64Array>())
    };
    let moment = |moment: &dyn Fn(&Covered) -> Option<i64>| -> ArrayRef {
        Arc::new(covered.iter().map(moment).collect::<TimestampMicrosecondArray>().with_timezone(UTC.clone()))
    };
    let hashes: StringArray = covered.iter().map(|row| Some(row.fingerprint.blake3.as_str())).collect();
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("source", label(|row| &row.source), true),
        ("object", label(|row| &row.loaded.object), true),
        ("loaded_at", moment(&|_| Some(now.timestamp_micros())), true),
        ("rows_read", number(|row| row.loaded.rows_read), true),
        ("rows_rejected", number(|row| row.loaded.rows_rejected), true),
        ("first_sent", moment(&|row| row.loaded.sent.first()), true),
        ("last_sent", moment(&|row| row.loaded.sent.last()), true),
        ("first_modstamp", moment(&|row| row.loaded.modstamps.first()), true),
        ("highest_modstamp", moment(&|row| row.loaded.modstamps.last()), true),
        ("bytes", number(|row| row.fingerprint.bytes), true),
        ("file_blake3", Arc::new(hashes) as ArrayRef, true),
        ("reading", label(|row| &row.loaded.reading), true),
    ])?)
}

/// The period that the IERs cover, by the ledger.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct IerCoverage {
    /// Files they came from.
    pub files: u64,
    /// The earliest date sent in them.
    pub first_sent: Option<DateTime<Utc>>,
    /// The latest.
    pub last_sent: Option<DateTime<Utc>>,
}

/// Sums up what the ledger says of IERs; none when it says nothing. Reads the ledger, a row a file loaded.
pub async fn of_iers(warehouse: &Arc<Warehouse>) -> Result<Option<IerCoverage>> {
    let (table, iers) = (table()?, links::ier_table()?);
    let lake = warehouse.table(Role::Reference, table).await?;
    let (mut files, mut sent) = (0, Span::default());
    for file in lake.snapshot().await?.files() {
        let mut rows = read::open(&lake, file).await?.stream(Some(&["object", "first_sent", "last_sent"]), None)?;
        while let Some(batch) = rows.try_next().await? {
            let objects = cast(batch.column(0), &DataType::Utf8)?;
            let objects = objects.as_string::<i32>();
            let [first, last] = [1, 2].map(|at| batch.column(at).as_primitive::<TimestampMicrosecondType>());
            for row in (0..batch.num_rows()).filter(|&row| objects.is_valid(row) && objects.value(row) == iers.name) {
                files += 1;
                if first.is_valid(row) && last.is_valid(row) {
                    sent.widen(first.value(row), last.value(row));
                }
            }
        }
    }
    let moment = |micros: Option<i64>| micros.and_then(DateTime::from_timestamp_micros);
    Ok((files > 0).then(|| IerCoverage { files, first_sent: moment(sent.first()), last_sent: moment(sent.last()) }))
}
