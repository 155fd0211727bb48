//! The splice: a new file made of an old one without some of its rows, by copying the row groups that do not change.
//!
//! **Why.** A fold decodes and encodes every row of the files it touches. When few rows of a large file are removed, nearly all
//! of that work is wasted. A splice copies the other row groups byte for byte, with their page indexes and key filters, and
//! encodes only the groups that lose rows.
//!
//! **Invariants.** Dictionaries, statistics, page indexes and filters of the new groups are made from the remaining rows only, so
//! nothing of the removed rows is left in the new file. The remaining rows keep their order. The old file's hash is checked
//! before a byte of it is copied. The new file is read back before anything relies on it: its bytes, its number of rows, and the
//! keys of the new groups. Memory: the old file and one encoded group.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use bytes::Bytes;
use deltalake_core::kernel::Add;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, compute_leaves};
use parquet::bloom_filter::Sbbf;
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::writer::SerializedFileWriter;

use super::write;
use crate::error::{Context, Error, Result};
use crate::lake::file::layout::{self, Effort, lake_schema_of};
use crate::lake::file::rare::RareRows;
use crate::lake::file::rollup::{self, Rollup, RollupBuilder};
use crate::lake::file::sink::{Digest, FileExtras, Sink};
use crate::lake::file::sort::BATCH_ROWS;
use crate::lake::file::tags;
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::lake::paths;
use crate::record::fields::hidden;

/// The result of a splice; nothing is visible until it is committed.
#[derive(Clone, Debug)]
pub struct Spliced {
    /// The new file's log entry; none when no row stays.
    pub add: Option<Add>,
    /// Rows that went.
    pub gone: u64,
    /// Row groups copied as they were.
    pub groups_copied: usize,
    /// Row groups decoded and encoded anew.
    pub groups_encoded: usize,
}

/// Writes a file anew without the rows at these places (ascending).
///
/// # Errors
/// Corrupt when the old file's bytes are not those its log entry promises, when it has no such rows, or when the new file reads
/// back otherwise than it was written.
pub async fn splice(table: &LakeTable, file: &DataFile, outgoing: &[u32], now_millis: i64) -> Result<Spliced> {
    let from = file.path(&table.folder);
    let old = OldFile::read(table, file).await.context(|| phrase!("cannot read {from}"))?;
    if outgoing.last().is_some_and(|last| u64::from(*last) >= file.rows) {
        return Err(Error::corrupt(phrase!("{from} has no row {}, but only {}", outgoing[outgoing.len() - 1], file.rows)));
    }
    let path = paths::data_file(table.role, file.partition);
    let to = Path::from_iter(table.folder.parts().chain(Path::from(path.as_str()).parts()));
    // As much effort as the old file got.
    let effort = if file.tag(tags::EFFORT) == Effort::Best.tag() { Effort::Best } else { Effort::of(table.role) };
    let rollup = match file.tag(tags::ROLLUP) {
        Some(_) => old.rollup(table, outgoing).context(|| phrase!("cannot read {from}"))?,
        None => None,
    };
    let rare = match file.rare()? {
        Some(place) => RareRows::decode(place.within(&old.bytes), &place).and_then(|rare| rare.without(outgoing)),
        None => Ok(None),
    };
    let extras = FileExtras { rollup, rare: rare.context(|| phrase!("cannot read {from}"))? };
    let written = old.write(table, effort, outgoing, &extras, to.clone()).await.context(|| phrase!("cannot write {to}"))?;
    let Some(written) = written else {
        return Ok(Spliced { add: None, gone: outgoing.len() as u64, groups_copied: 0, groups_encoded: 0 });
    };
    drop(old);
    let late_days = written.read_back(table, &to, file.tag(tags::LATE).is_some()).await?;
    let WrittenFile { digest, metadata, groups, .. } = written;
    let groups_encoded = groups.iter().filter(|keys| keys.is_some()).count();
    let add = write::entry(table, (path, file.partition), effort, digest, &metadata, &late_days, now_millis)?;
    let gone = outgoing.len() as u64;
    Ok(Spliced { add: Some(add), gone, groups_copied: groups.len() - groups_encoded, groups_encoded })
}

/// The old file.
struct OldFile {
    bytes: Bytes,
    metadata: ArrowReaderMetadata,
}

/// A file as it was written.
struct WrittenFile {
    digest: Digest,
    metadata: ParquetMetaData,
    rows: u64,
    /// For each row group made anew, the hash of its keys in order; none for those copied.
    groups: Vec<Option<blake3::Hash>>,
}

impl OldFile {
    async fn read(table: &LakeTable, file: &DataFile) -> Result<Self> {
        let bytes = table.store.get(&file.path(&table.folder)).await?.bytes().await?;
        if file.tag(tags::BLAKE3).is_some_and(|expected| blake3::hash(&bytes).to_hex().as_str() != expected) {
            return Err(Error::corrupt("it does not have the hash it was written with"));
        }
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let plain = ArrowReaderMetadata::load(&bytes, options.clone())?;
        let schema = lake_schema_of(&table.table, plain.schema());
        let metadata = ArrowReaderMetadata::try_new(plain.metadata().clone(), options.with_schema(schema))?;
        if metadata.metadata().file_metadata().num_rows() != file.rows as i64 {
            return Err(Error::corrupt("it does not have as many rows as its log entry says"));
        }
        Ok(Self { bytes, metadata })
    }

    /// Writes what stays; `None` when nothing does.
    async fn write(
        &self,
        table: &LakeTable,
        effort: Effort,
        outgoing: &[u32],
        extras: &FileExtras,
        to: Path,
    ) -> Result<Option<WrittenFile>> {
        let old = self.metadata.metadata();
        let mut properties = layout::writer_properties(&table.table, effort)?.into_builder();
        if let Some(group) = old.row_groups().first() {
            // Places of columns are those of the file, which may be older than some of the table's.
            properties = properties.set_sorting_columns(group.sorting_columns().cloned());
        }
        let schema = old.file_metadata().schema_descr().root_schema_ptr();
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build()))?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, self.metadata.schema().clone());
        let mut sink = Sink::new(table.store.clone(), to);
        let (mut groups, mut rows, mut first) = (Vec::new(), 0, 0u32);
        let mut outgoing = outgoing;
        for group in 0..old.num_row_groups() {
            let total = old.row_group(group).num_rows().max(0) as u32;
            let (own, later) = outgoing.split_at(outgoing.partition_point(|place| *place < first + total));
            outgoing = later;
            let own: Vec<usize> = own.iter().map(|place| (place - first) as usize).collect();
            first += total;
            if own.len() == total as usize {
                continue;
            }
            rows += u64::from(total) - own.len() as u64;
            groups.push(match own.is_empty() {
                true => {
                    self.copy(group, &mut writer)?;
                    None
                }
                false => Some(self.encode(group, &own, &factory, &mut writer)?),
            });
            writer.flush()?;
            let bytes = std::mem::take(writer.inner_mut());
            sink.send(writer.flushed_row_groups(), bytes).await?;
        }
        if rows == 0 {
            return Ok(None);
        }
        writer.write_all(&sink.between(extras)?)?;
        sink.notes().for_each(|note| writer.append_key_value_metadata(note));
        let metadata = writer.finish()?;
        let digest = sink.end(std::mem::take(writer.inner_mut())).await?;
        Ok(Some(WrittenFile { digest, metadata, rows, groups }))
    }

    /// The rollup of the remaining rows. It is computed anew, because removing the row that was the minimum leaves the new
    /// minimum unknown.
    fn rollup(&self, table: &LakeTable, outgoing: &[u32]) -> Result<Option<Rollup>> {
        let Some(mut rollup) = RollupBuilder::new(&table.table, table.rollup_rows_each) else { return Ok(None) };
        let schema = self.metadata.parquet_schema();
        let total = self.metadata.metadata().file_metadata().num_rows().max(0) as usize;
        let outgoing: Vec<usize> = outgoing.iter().map(|place| *place as usize).collect();
        let rows = ParquetRecordBatchReaderBuilder::new_with_metadata(self.bytes.clone(), self.metadata.clone())
            .with_projection(ProjectionMask::columns(schema, rollup::sources()))
            .with_row_selection(all_but(&outgoing, total))
            .with_batch_size(BATCH_ROWS)
            .build()?;
        for batch in rows {
            rollup.add(&batch?)?;
        }
        rollup.finish()
    }

    /// Copies a row group with all that belongs to it.
    fn copy(&self, group: usize, writer: &mut SerializedFileWriter<Vec<u8>>) -> Result<()> {
        let old = self.metadata.metadata();
        let row_group = old.row_group(group);
        let mut copy = writer.next_row_group()?;
        for (at, column) in row_group.columns().iter().enumerate() {
            let index = old.column_index().and_then(|index| index.get(group)?.get(at)).cloned();
            let close = ColumnCloseResult {
                bytes_written: column.compressed_size().max(0) as u64,
                rows_written: row_group.num_rows().max(0) as u64,
                metadata: column.clone(),
                bloom_filter: Sbbf::read_from_column_chunk(column, &self.bytes)?,
                column_index: index.filter(|index| !matches!(index, ColumnIndexMetaData::NONE)),
                offset_index: old.offset_index().and_then(|index| index.get(group)?.get(at)).cloned(),
            };
            copy.append_column(&self.bytes, close)?;
        }
        copy.close()?;
        Ok(())
    }

    /// Encodes a row group anew without some rows (places in the group, ascending); returns the hash of the keys that stay.
    fn encode(
        &self,
        group: usize,
        outgoing: &[usize],
        factory: &ArrowRowGroupWriterFactory,
        writer: &mut SerializedFileWriter<Vec<u8>>,
    ) -> Result<blake3::Hash> {
        let total = self.metadata.metadata().row_group(group).num_rows().max(0) as usize;
        let rows = ParquetRecordBatchReaderBuilder::new_with_metadata(self.bytes.clone(), self.metadata.clone())
            .with_row_groups(vec![group])
            .with_row_selection(all_but(outgoing, total))
            .with_batch_size(BATCH_ROWS)
            .build()?;
        let mut columns = factory.create_column_writers(writer.flushed_row_groups().len())?;
        let schema = self.metadata.schema();
        let mut keys = blake3::Hasher::new();
        for batch in rows {
            let batch = batch?;
            hash_keys(&batch, &mut keys)?;
            for ((field, column), writer) in schema.fields().iter().zip(batch.columns()).zip(&mut columns) {
                for leaf in compute_leaves(field, column)? {
                    writer.write(&leaf)?;
                }
            }
        }
        let mut row_group = writer.next_row_group()?;
        for column in columns {
            column.close()?.append_to_row_group(&mut row_group)?;
        }
        row_group.close()?;
        Ok(keys.finalize())
    }
}

impl WrittenFile {
    /// Reads the new file back; returns the days of its late marks where there may be some.
    async fn read_back(&self, table: &LakeTable, to: &Path, marked: bool) -> Result<BTreeSet<i32>> {
        let unlike =
            |what: &str| Error::corrupt(phrase!("{to} was written and reads back with other {what}: nothing was committed"));
        let bytes = async { table.store.get(to).await?.bytes().await }.await;
        let bytes = bytes.context(|| phrase!("cannot read back {to}"))?;
        if blake3::hash(&bytes).to_hex().as_str() != self.digest.blake3 {
            return Err(unlike("bytes"));
        }
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&bytes, options).context(|| phrase!("cannot read back {to}"))?;
        if metadata.metadata().file_metadata().num_rows() != self.rows as i64
            || metadata.metadata().num_row_groups() != self.groups.len()
        {
            return Err(unlike("rows"));
        }
        for (group, expected) in self.groups.iter().enumerate() {
            let Some(expected) = expected else { continue };
            let mut found = blake3::Hasher::new();
            for batch in column(&bytes, &metadata, hidden::KEY, Some(group))? {
                hash_keys(&batch?, &mut found)?;
            }
            if found.finalize() != *expected {
                return Err(unlike("keys"));
            }
        }
        let mut late_days = BTreeSet::new();
        if marked {
            for batch in column(&bytes, &metadata, hidden::LATE, None)? {
                write::note_late_days(&batch?, &mut late_days);
            }
        }
        Ok(late_days)
    }
}

/// All rows but those at these places (ascending).
fn all_but(outgoing: &[usize], total: usize) -> RowSelection {
    let starts = std::iter::once(0).chain(outgoing.iter().map(|place| place + 1));
    let ends = outgoing.iter().copied().chain([total]);
    let remaining = starts.zip(ends).map(|(start, end)| start..end).filter(|range| !range.is_empty());
    RowSelection::from_consecutive_ranges(remaining, total)
}

/// One column of a file in memory, of one row group or of all.
fn column(bytes: &Bytes, metadata: &ArrowReaderMetadata, name: &str, group: Option<usize>) -> Result<ParquetRecordBatchReader> {
    let schema = metadata.parquet_schema();
    let at = schema.columns().iter().position(|column| column.path().string() == name);
    let at = at.ok_or_else(|| Error::corrupt(phrase!("the file has no column {name}")))?;
    let mask = ProjectionMask::leaves(schema, [at]);
    let mut rows = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), metadata.clone()).with_projection(mask);
    if let Some(group) = group {
        rows = rows.with_row_groups(vec![group]);
    }
    Ok(rows.with_batch_size(BATCH_ROWS).build()?)
}

fn hash_keys(batch: &RecordBatch, hasher: &mut blake3::Hasher) -> Result<()> {
    let keys = batch.column_by_name(hidden::KEY).ok_or_else(|| Error::corrupt("the file has no keys"))?;
    for key in keys.as_string::<i32>().iter().flatten() {
        hasher.update(&(key.len() as u64).to_le_bytes());
        hasher.update(key.as_bytes());
    }
    Ok(())
}
