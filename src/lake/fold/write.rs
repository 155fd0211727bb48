//! Writes sorted rows as data files: each file is hashed and checksummed while it is written, and the result is its log entry.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Date32Type;
use chrono::{DateTime, SecondsFormat};
use deltalake_core::kernel::Add;
use futures::TryStreamExt;
use object_store::path::Path;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use serde_json::{Map, Value};

use crate::error::{Context, Error, Result};
use crate::lake::file::layout::{self, Effort, FILE_BYTES};
use crate::lake::file::rare::RareBuilder;
use crate::lake::file::rollup::RollupBuilder;
use crate::lake::file::sink::{Digest, FileExtras, Sink};
use crate::lake::file::sort::Sorted;
use crate::lake::file::tags;
use crate::lake::log::commit::partition_values;
use crate::lake::log::table::LakeTable;
use crate::lake::paths::{self, Partition, date_of};
use crate::record::fields::{Kind, Table, hidden};

/// Writes sorted rows of one partition into files of at most about [`FILE_BYTES`]; returns their log entries, in order.
///
/// Nothing becomes visible: the files are part of the table only when their entries are committed. `written` gets
/// the rows of each batch, for progress bars.
pub async fn write(
    table: &LakeTable,
    partition: Partition,
    effort: Effort,
    begun: &StartedFiles,
    mut rows: Sorted,
    now_millis: i64,
    written: &(dyn Fn(u64) + Send + Sync),
) -> Result<Vec<Add>> {
    let mut adds = Vec::new();
    let mut open: Option<OpenFile> = None;
    while let Some(batch) = rows.try_next().await? {
        if batch.num_rows() == 0 {
            continue;
        }
        let file = match &mut open {
            Some(file) => file,
            None => open.insert(OpenFile::create(table, partition, effort, begun)?),
        };
        file.write(&batch).await?;
        written(batch.num_rows() as u64);
        if file.bytes() >= FILE_BYTES
            && let Some(full) = open.take()
        {
            adds.push(full.finish(table, partition, now_millis).await?);
        }
    }
    if let Some(last) = open {
        adds.push(last.finish(table, partition, now_millis).await?);
    }
    Ok(adds)
}

/// The files an attempt began to write, finished or not: what must go when it fails.
#[derive(Debug, Default)]
pub struct StartedFiles(Mutex<Vec<String>>);

impl StartedFiles {
    fn note(&self, path: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
    }

    /// Paths below the table.
    pub fn paths(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct OpenFile {
    /// Path below the table.
    path: String,
    effort: Effort,
    /// What is encoded and not yet sent is in its buffer.
    writer: ArrowWriter<Vec<u8>>,
    sink: Sink,
    late_days: BTreeSet<i32>,
    rollup: Option<RollupBuilder>,
    rare: Option<RareBuilder>,
}

impl OpenFile {
    fn create(table: &LakeTable, partition: Partition, effort: Effort, begun: &StartedFiles) -> Result<Self> {
        let path = paths::data_file(table.role, partition);
        begun.note(&path);
        let location = Path::from_iter(table.folder.parts().chain(Path::from(path.as_str()).parts()));
        let options = ArrowWriterOptions::new()
            .with_properties(layout::writer_properties(&table.table, effort)?)
            // Other engines see plain columns; our own types follow from the table of columns.
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), table.table.lake_schema(), options)?;
        let sink = Sink::new(table.store.clone(), location);
        let rollup = RollupBuilder::new(&table.table, table.rollup_rows_each);
        let rare = RareBuilder::new(&table.table, table.rare_rows_each);
        Ok(Self { path, effort, writer, sink, late_days: BTreeSet::new(), rollup, rare })
    }

    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        note_late_days(batch, &mut self.late_days);
        if let Some(rollup) = &mut self.rollup {
            rollup.add(batch)?;
        }
        if let Some(rare) = &mut self.rare {
            rare.add(batch)?;
        }
        self.writer.write(batch).context(|| phrase!("cannot write {}", self.path))?;
        if self.writer.flushed_row_groups().len() > self.sink.groups() {
            self.send().await.context(|| phrase!("cannot write {}", self.path))?;
        }
        Ok(())
    }

    /// Sends the row groups that are complete.
    async fn send(&mut self) -> Result<()> {
        self.writer.sync()?;
        let bytes = std::mem::take(self.writer.inner_mut());
        self.sink.send(self.writer.flushed_row_groups(), bytes).await
    }

    /// Sends the rest, with rare rows, checksums and rollup before the footer.
    async fn close(mut self) -> Result<(ParquetMetaData, Digest)> {
        self.writer.flush()?;
        self.send().await?;
        let extras = FileExtras {
            rollup: self.rollup.map(RollupBuilder::finish).transpose()?.flatten(),
            rare: self.rare.map(RareBuilder::finish).transpose()?.flatten(),
        };
        self.writer.write_all(&self.sink.between(&extras)?)?;
        self.sink.notes().for_each(|note| self.writer.append_key_value_metadata(note));
        let metadata = self.writer.finish()?;
        let digest = self.sink.end(std::mem::take(self.writer.inner_mut())).await?;
        Ok((metadata, digest))
    }

    fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    async fn finish(mut self, table: &LakeTable, partition: Partition, now_millis: i64) -> Result<Add> {
        let (place, effort) = ((self.path.clone(), partition), self.effort);
        let late_days = std::mem::take(&mut self.late_days);
        let (metadata, digest) = self.close().await.context(|| phrase!("cannot write {}", place.0))?;
        entry(table, place, effort, digest, &metadata, &late_days, now_millis)
    }
}

/// The log entry of a file just written at `place`, with what proves its bytes.
pub(crate) fn entry(
    table: &LakeTable,
    (path, partition): (String, Partition),
    effort: Effort,
    digest: Digest,
    metadata: &ParquetMetaData,
    late_days: &BTreeSet<i32>,
    now_millis: i64,
) -> Result<Add> {
    let mut file_tags = std::collections::HashMap::from([
        (tags::BLAKE3.to_owned(), Some(digest.blake3)),
        (tags::TAIL.to_owned(), Some(digest.tail.to_string())),
    ]);
    if !late_days.is_empty() {
        let days: Vec<String> = late_days.iter().map(i32::to_string).collect();
        file_tags.insert(tags::LATE.to_owned(), Some(days.join(",")));
    }
    let appendices = [(tags::ROLLUP, digest.rollup), (tags::RARE, digest.rare)];
    file_tags.extend(appendices.into_iter().filter_map(|(tag, place)| Some((tag.to_owned(), Some(place?.to_string())))));
    file_tags.extend(effort.tag().map(|effort| (tags::EFFORT.to_owned(), Some(effort.to_owned()))));
    Ok(Add {
        path,
        partition_values: partition_values(table, partition),
        size: digest.bytes as i64,
        modification_time: now_millis,
        data_change: true,
        stats: Some(stats(&table.table, metadata)?.to_string()),
        tags: Some(file_tags),
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    })
}

/// The days of a batch's late marks.
pub(crate) fn note_late_days(batch: &RecordBatch, days: &mut BTreeSet<i32>) {
    if let Some(late) = batch.column_by_name(hidden::LATE) {
        let late = late.as_primitive::<Date32Type>();
        if late.null_count() < late.len() {
            days.extend(late.iter().flatten());
        }
    }
}

/// The log's statistics (Rule 11: only of the named columns), taken from the footer just written.
fn stats(table: &Table, metadata: &ParquetMetaData) -> Result<Value> {
    let (mut least, mut greatest, mut nulls) = (Map::new(), Map::new(), Map::new());
    let schema = metadata.file_metadata().schema_descr();
    for name in table.stats_columns() {
        let Some(at) = schema.columns().iter().position(|column| column.path().string() == name) else { continue };
        let kind = table.field(name).map_or(Kind::Text, |field| field.kind);
        let mut range: Option<(Bound, Bound)> = None;
        let mut null_count = 0;
        let mut known = true;
        for group in metadata.row_groups() {
            let column = group.column(at);
            let Some(statistics) = column.statistics() else {
                known = false;
                continue;
            };
            let group_nulls = statistics.null_count_opt().unwrap_or(0);
            null_count += group_nulls;
            if group_nulls as i64 == column.num_values() {
                continue;
            }
            match bounds(statistics)? {
                Some((min, max)) => {
                    range = Some(match range {
                        None => (min, max),
                        Some((least, greatest)) => (least.min(min), greatest.max(max)),
                    });
                }
                None => known = false,
            }
        }
        nulls.insert(name.to_owned(), null_count.into());
        if let Some((min, max)) = range.filter(|_| known) {
            least.insert(name.to_owned(), min.json(kind, false));
            greatest.insert(name.to_owned(), max.json(kind, true));
        }
    }
    Ok(serde_json::json!({
        "numRecords": metadata.file_metadata().num_rows(),
        "minValues": least,
        "maxValues": greatest,
        "nullCount": nulls,
    }))
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Bound {
    Number(i64),
    Text(String),
}

impl Bound {
    /// As the log writes it. The log keeps moments in milliseconds: a greatest value is rounded up.
    fn json(self, kind: Kind, round_up: bool) -> Value {
        match (self, kind) {
            (Self::Text(text), _) => text.into(),
            (Self::Number(day), Kind::Date) => date_of(day as i32).to_string().into(),
            (Self::Number(micros), Kind::Time) => {
                let millis = if round_up {
                    micros.div_euclid(1000) + i64::from(micros.rem_euclid(1000) > 0)
                } else {
                    micros.div_euclid(1000)
                };
                DateTime::from_timestamp_millis(millis).map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true)).into()
            }
            (Self::Number(number), _) => number.into(),
        }
    }
}

fn bounds(statistics: &Statistics) -> Result<Option<(Bound, Bound)>> {
    let text = |bytes: &[u8]| -> Result<Bound> {
        let text = std::str::from_utf8(bytes).map_err(|error| Error::corrupt(phrase!("statistics are not text: {error}")))?;
        Ok(Bound::Text(text.to_owned()))
    };
    Ok(match statistics {
        Statistics::Int32(values) => {
            values.min_opt().zip(values.max_opt()).map(|(a, b)| (Bound::Number((*a).into()), Bound::Number((*b).into())))
        }
        Statistics::Int64(values) => values.min_opt().zip(values.max_opt()).map(|(a, b)| (Bound::Number(*a), Bound::Number(*b))),
        // A truncated bound is still one, but not exact; ids and dates are never truncated.
        Statistics::ByteArray(values) if values.min_is_exact() && values.max_is_exact() => {
            match (values.min_bytes_opt(), values.max_bytes_opt()) {
                (Some(min), Some(max)) => Some((text(min)?, text(max)?)),
                _ => None,
            }
        }
        _ => None,
    })
}
