//! Reads rows of a Parquet file. Columns that already have the right type pass unchanged, others are converted as a whole, and
//! only texts that need parsing are parsed one by one.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use ::parquet::basic::{LogicalType, Type as Physical};
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::Length;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::is_not_null;
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::{DataType, Field as ArrowField, Schema, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::columns::{Custom, ValueError, reason};
use super::convert::{convert, is_binary, is_text, texts};
use super::decode::Chunks;
use super::detect::ReadingEvidence;
use super::layout::{Filled, Layout, MakeLayout, refuse_many};
use super::reading::{Reading, Times};
use super::reject::{Reject, RejectSink, row_text};
use super::rows::{Irregularities, Next, ReadOptions, complete_rows};
use crate::error::{Error, Result};
use crate::record::fields::{Kind, UTC, known};

/// Bytes of rows read at once, by the sizes in the file's footer.
const BATCH_BYTES: i64 = 64 << 20;
/// Rows that tell by their ids whose they are.
const SAMPLE_ROWS: usize = 50;
/// Rows whose times are examined at once.
const BATCH_HEARD: usize = 8 << 10;

/// The rows of a Parquet file.
pub(super) struct ParquetRows {
    name: String,
    reader: ParquetRecordBatchReader,
    layout: Layout,
    /// Columns of 16 bytes that are ids of another kind.
    uuids: Vec<usize>,
    times: Times,
    reading: Reading,
    /// Rows that the file says it has.
    rows_declared: i64,
    rows_read: u64,
    /// Moments that the clocks of their zone skip.
    skipped: u64,
}

impl ParquetRows {
    /// Opens a file: its headers are mapped to the columns of its table, and what it leaves open is detected. Its headers, where they
    /// are of no known table.
    pub fn open(
        name: &str,
        chunks: Chunks,
        make_layout: &MakeLayout<'_>,
        options: &ReadOptions,
    ) -> Result<Result<Self, Vec<String>>> {
        guarded(name, || Self::open_it(name, chunks, make_layout, options))
    }

    fn open_it(
        name: &str,
        chunks: Chunks,
        make_layout: &MakeLayout<'_>,
        options: &ReadOptions,
    ) -> Result<Result<Self, Vec<String>>> {
        let damaged = |error: ParquetError| Error::from(error).context(phrase!("{name}: not a whole Parquet file"));
        let plain = ArrowReaderMetadata::load(&chunks, ArrowReaderOptions::new()).map_err(damaged)?;
        refuse_places(name, &chunks, &plain)?;
        refuse_many(name, plain.schema().fields().len())?;
        let headers: Vec<String> = plain.schema().fields().iter().map(|field| field.name().clone()).collect();
        let plain = with_schema(&plain, with_far_moments(&plain)).map_err(damaged)?;
        let uuids = uuids(&plain);
        let sample = sample(&chunks, &plain).map_err(|error| error.context(name.to_owned()))?;
        let Some(layout) = make_layout(headers.clone(), &sample).map_err(|error| error.context(name.to_owned()))? else {
            return Ok(Err(headers));
        };
        refuse_nested(name, plain.schema(), &layout)?;
        let asked = &options.asked;
        let mut reading = Reading::of("Parquet", asked);
        let mut evidence = ReadingEvidence::of(&layout, asked);
        gather(&mut evidence, &chunks, &plain).map_err(|error| error.context(name.to_owned()))?;
        reading.dates = evidence.settle(name, reading.place(), &layout, asked)?;
        let groups = plain.metadata().row_groups();
        let sum = |numbers: &mut dyn Iterator<Item = i64>| numbers.fold(0i64, |sum, number| sum.saturating_add(number));
        let plain_rows = sum(&mut groups.iter().map(|group| group.num_rows()));
        let plain_bytes = sum(&mut groups.iter().map(|group| group.total_byte_size()));
        let rows_declared = plain.metadata().file_metadata().num_rows();
        // A file whose texts cannot come as dictionaries is read as it is.
        let metadata = with_schema(&plain, with_dictionaries(plain.schema(), &layout)).unwrap_or(plain);
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, metadata)
            .with_batch_size(batch_rows(plain_rows, plain_bytes, options.batch_rows))
            .build()
            .map_err(damaged)?;
        let times = Times::of(asked, reading.dates);
        Ok(Ok(Self { name: name.to_owned(), reader, layout, uuids, times, reading, rows_declared, rows_read: 0, skipped: 0 }))
    }

    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    pub fn irregularities(&self) -> Irregularities {
        Irregularities { skipped: self.skipped, ..Irregularities::default() }
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub fn rows_read(&self) -> u64 {
        self.rows_read
    }

    pub fn next(&mut self, rejects: &mut dyn RejectSink) -> Result<Next> {
        let name = self.name.clone();
        guarded(&name, || self.next_rows(rejects))
    }

    fn next_rows(&mut self, rejects: &mut dyn RejectSink) -> Result<Next> {
        loop {
            let Some(batch) = self.reader.next() else { return self.end() };
            let batch = batch.map_err(|error| cut_off(self.rows_read, error).context(self.name.clone()))?;
            let before = self.rows_read;
            self.rows_read += batch.num_rows() as u64;
            let (provided, misfits) = self.provided(&batch)?;
            let mut reject = |row: usize, reason: String| {
                let row_of_file = before + row as u64 + 1;
                rejects.reject(Reject { file: self.name.clone(), line: row_of_file, reason, row: shown(&batch, row)? })
            };
            let refused: Vec<usize> = misfits.keys().copied().collect();
            for (row, reason) in misfits {
                reject(row, reason)?;
            }
            let complete = complete_rows(&self.layout.table, &provided, &refused, reject)?;
            if complete.num_rows() > 0 {
                return Ok(Next::Rows(complete));
            }
        }
    }

    /// No more rows come: are these all?
    fn end(&self) -> Result<Next> {
        if u64::try_from(self.rows_declared) == Ok(self.rows_read) {
            return Ok(Next::End);
        }
        let (name, read, declared) = (&self.name, self.rows_read, self.rows_declared);
        Err(Error::corrupt(phrase!("{name}: damaged: it says that it has {declared} rows, and {read} can be read")))
    }

    /// The batch in lake types, and the reasons of the rows that do not fit (which have nulls there).
    fn provided(&mut self, batch: &RecordBatch) -> Result<(RecordBatch, BTreeMap<usize, String>)> {
        let mut misfits = BTreeMap::new();
        let mut arrays = Vec::with_capacity(self.layout.schema.fields().len());
        let mut skipped = 0;
        for filled in &self.layout.columns {
            let array = self.fill(filled, batch, &mut misfits, &mut skipped);
            arrays.push(array.map_err(|error| error.context(phrase!("{}: column {}", self.name, filled.field.name)))?);
        }
        self.skipped += skipped;
        if !self.layout.unknown.is_empty() {
            arrays.push(self.custom(batch)?);
        }
        Ok((RecordBatch::try_new(self.layout.schema.clone(), arrays)?, misfits))
    }

    /// A column of the file.
    fn column(&self, batch: &RecordBatch, at: usize) -> ArrayRef {
        let column = batch.column(at);
        match column.as_fixed_size_binary_opt().filter(|_| self.uuids.contains(&at)) {
            Some(bytes) => {
                let text = |bytes| uuid::Uuid::from_slice(bytes).ok().map(|uuid| uuid.to_string());
                Arc::new(bytes.iter().map(|bytes| text(bytes?)).collect::<StringArray>())
            }
            None => column.clone(),
        }
    }

    /// A column from its places, the best first.
    fn fill(
        &self,
        filled: &Filled,
        batch: &RecordBatch,
        misfits: &mut BTreeMap<usize, String>,
        skipped: &mut u64,
    ) -> Result<ArrayRef> {
        let mut values: Option<ArrayRef> = None;
        let mut lenient: BTreeMap<usize, String> = BTreeMap::new();
        for place in &filled.from {
            let converted = convert(filled, &self.column(batch, place.at), &self.times)?;
            *skipped += converted.skipped;
            for (row, value, unfit) in converted.misfits {
                if values.as_ref().is_some_and(|values| values.is_valid(row)) {
                    continue;
                }
                // Under its label a lookup may show a name, which is kept as such.
                if matches!(unfit, ValueError::Id(_)) && filled.shows_name(place, &value) {
                    continue;
                }
                let reason = reason(&self.layout.headers[place.at], &value, unfit);
                if place.strict || !filled.field.kind.is_id() {
                    misfits.entry(row).or_insert(reason);
                } else {
                    lenient.entry(row).or_insert(reason);
                }
            }
            values = Some(match values {
                None => converted.values,
                Some(values) => zip(&is_not_null(&values)?, &values, &converted.values)?,
            });
        }
        let values = values.ok_or_else(|| Error::internal("a column without a place"))?;
        for (row, reason) in lenient {
            if values.is_null(row) {
                misfits.entry(row).or_insert(reason);
            }
        }
        Ok(values)
    }

    /// The columns the table does not know, as one JSON object a row.
    fn custom(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let unknown = &self.layout.unknown;
        let columns: Vec<StringArray> =
            unknown.iter().map(|unknown| texts(&self.column(batch, unknown.at))).collect::<Result<_>>()?;
        let mut custom = Custom::new(unknown, batch.num_rows()).with_own_nulls();
        for row in 0..batch.num_rows() {
            custom.push(columns.iter().zip(unknown).map(|(column, unknown)| {
                let text = if column.is_valid(row) { column.value(row) } else { "" };
                unknown.kept(text)
            }));
        }
        custom.finish()
    }
}

/// Reads a part of a file. What is written there may be such that the library that reads it stops the thread, for it does not expect
/// that of a file: then the file is damaged, and nothing else has happened.
fn guarded<T>(name: &str, read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let error = Error::corrupt(phrase!("{name}: damaged: what it says of itself cannot be"));
        Err(error.with_source(Error::panicked(panic.as_ref())))
    })
}

/// Refuses a file whose columns would stand outside of it.
fn refuse_places(name: &str, chunks: &Chunks, metadata: &ArrowReaderMetadata) -> Result<()> {
    let end = Length::len(chunks);
    let columns = metadata.metadata().row_groups().iter().flat_map(|group| group.columns());
    for column in columns {
        let first = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        let places = [first, column.data_page_offset(), column.compressed_size()].map(u64::try_from);
        let is_within = match places {
            [Ok(first), Ok(data), Ok(length)] => data < end && first.checked_add(length).is_some_and(|last| last <= end),
            _ => false,
        };
        if !is_within || column.num_values() < 0 {
            return Err(Error::corrupt(phrase!("{name}: damaged: a column of it would not stand in it: was it cut off?")));
        }
    }
    Ok(())
}

/// The error for a file that cannot be read beyond so many rows.
fn cut_off(rows: u64, error: ArrowError) -> Error {
    Error::corrupt(phrase!("cut off or damaged after row {rows}: {error}")).with_source(error)
}

/// Rows read at once of a file with so many rows and bytes: few where each of them is large.
fn batch_rows(rows: i64, bytes: i64, most: usize) -> usize {
    let each = (bytes / rows.max(1)).max(1);
    usize::try_from(BATCH_BYTES / each).unwrap_or(0).clamp(1, most.max(1))
}

/// The same metadata, by which columns are read as this schema says.
fn with_schema(metadata: &ArrowReaderMetadata, schema: Schema) -> Result<ArrowReaderMetadata, ParquetError> {
    let hinted = ArrowReaderOptions::new().with_schema(schema.into());
    ArrowReaderMetadata::try_new(metadata.metadata().clone(), hinted)
}

/// The file's schema, with the moments of 96 bits, as Spark and Impala write them, in microseconds: nanoseconds in 64 bits end in 2262,
/// and an open end is written as the year 9999. They are instants.
fn with_far_moments(metadata: &ArrowReaderMetadata) -> Schema {
    let columns = metadata.parquet_schema();
    let mut fields: Vec<ArrowField> = metadata.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    for leaf in (0..columns.num_columns()).filter(|leaf| columns.column(*leaf).physical_type() == Physical::INT96) {
        let field = &mut fields[columns.get_column_root_idx(leaf)];
        if matches!(field.data_type(), DataType::Timestamp(..)) {
            field.set_data_type(DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.clone())));
        }
    }
    Schema::new_with_metadata(fields, metadata.schema().metadata().clone())
}

/// The columns that are said to be ids of 16 bytes.
fn uuids(metadata: &ArrowReaderMetadata) -> Vec<usize> {
    let columns = metadata.parquet_schema();
    let is_uuid = |leaf: &usize| matches!(columns.column(*leaf).logical_type_ref(), Some(LogicalType::Uuid));
    (0..columns.num_columns()).filter(is_uuid).map(|leaf| columns.get_column_root_idx(leaf)).collect()
}

/// The first rows, as texts; of columns that are none nothing, for ids tell whose rows they are.
fn sample(chunks: &Chunks, metadata: &ArrowReaderMetadata) -> Result<Vec<Vec<String>>> {
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks.without_progress(), metadata.clone());
    let Some(batch) = reader.with_batch_size(SAMPLE_ROWS).with_limit(SAMPLE_ROWS).build()?.next() else {
        return Ok(Vec::new());
    };
    let batch = batch.map_err(|error| cut_off(0, error))?;
    let is_textual = |column: &ArrayRef| is_text(column.data_type()) || is_binary(column.data_type());
    let columns: Vec<Option<StringArray>> =
        batch.columns().iter().map(|column| is_textual(column).then(|| texts(column)).transpose()).collect::<Result<_>>()?;
    let cell = |column: &Option<StringArray>, row: usize| {
        column.as_ref().filter(|column| column.is_valid(row)).map_or_else(String::new, |column| column.value(row).to_owned())
    };
    Ok((0..batch.num_rows()).map(|row| columns.iter().map(|column| cell(column, row)).collect()).collect())
}

/// Collects evidence from all times of the file that are stored as text or numbers.
fn gather(evidence: &mut ReadingEvidence, chunks: &Chunks, metadata: &ArrowReaderMetadata) -> Result<()> {
    let is_open = |at: &usize| {
        let dtype = metadata.schema().field(*at).data_type();
        !dtype.is_temporal() && !dtype.is_nested()
    };
    let mut places: Vec<usize> = evidence.places().filter(is_open).collect();
    places.sort_unstable();
    places.dedup();
    if places.is_empty() {
        return Ok(());
    }
    let mask = ProjectionMask::roots(metadata.parquet_schema(), places.iter().copied());
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks.without_progress(), metadata.clone());
    let mut rows = 0;
    for batch in reader.with_projection(mask).with_batch_size(BATCH_HEARD).build()? {
        let batch = batch.map_err(|error| cut_off(rows, error))?;
        for (at, column) in places.iter().zip(batch.columns()) {
            for (row, text) in texts(column)?.iter().enumerate() {
                if let Some(text) = text {
                    evidence.look_at(*at, text, rows + row as u64 + 1);
                }
            }
        }
        rows += batch.num_rows() as u64;
    }
    Ok(())
}

/// A list is no value of a column that is known.
fn refuse_nested(name: &str, schema: &Schema, layout: &Layout) -> Result<()> {
    let is_known = known(&layout.table.name).is_some();
    for filled in &layout.columns {
        for place in filled.from.iter().filter(|place| schema.field(place.at).data_type().is_nested()) {
            if is_known || !matches!(filled.field.kind, Kind::Text | Kind::Label) {
                return Err(Error::invalid(phrase!(
                    "{name}: {} is a list or an object, where {} wants one value",
                    layout.headers[place.at].trim(),
                    filled.field.name
                )));
            }
        }
    }
    Ok(())
}

/// The file's schema, with dictionaries for the texts that repeat: they then arrive as they are stored.
fn with_dictionaries(schema: &Schema, layout: &Layout) -> Schema {
    let repeats = |at: usize| {
        layout.columns.iter().any(|filled| {
            matches!(filled.field.kind, Kind::Label | Kind::LabelId) && filled.from.iter().any(|place| place.at == at)
        })
    };
    let fields: Vec<ArrowField> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(at, field)| {
            let field = field.as_ref().clone();
            if is_text(field.data_type()) && repeats(at) { field.with_data_type(Kind::Label.lake_type()) } else { field }
        })
        .collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

/// A row as text, for a reject.
fn shown(batch: &RecordBatch, row: usize) -> Result<String> {
    let options = FormatOptions::default();
    let fields = batch
        .columns()
        .iter()
        .map(|column| Ok(ArrayFormatter::try_new(column, &options)?.value(row).to_string()))
        .collect::<Result<Vec<String>>>()?;
    Ok(row_text(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_large_are_read_by_the_few() {
        assert_eq!(batch_rows(1_000_000, 300_000_000, 16_384), 16_384);
        assert_eq!(batch_rows(1_000, 1_000 * (1 << 20), 16_384), 64);
        assert_eq!(batch_rows(2, 1 << 40, 16_384), 1);
        assert_eq!(batch_rows(0, 0, 0), 1, "an empty file is read, too");
    }
}
