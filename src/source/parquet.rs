//! Rows of a Parquet file: columns that already have the right type pass as they are, others are converted whole, and
//! only texts that need reading are read one by one.

use std::collections::BTreeMap;

use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::compute::is_not_null;
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::{Field as ArrowField, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::columns::{Custom, Unfit, reason};
use super::convert::{convert, is_text, texts};
use super::decode::Chunks;
use super::layout::{Filled, Lay, Layout};
use super::moments::DateOrder;
use super::reading::{Reading, Times};
use super::reject::{Reject, RejectSink, row_text};
use super::rows::{Next, Odd, ReadOptions, complete_rows};
use crate::error::{Error, Result};
use crate::record::fields::Kind;
use crate::record::id::SfId;

/// Bytes of rows read at once, as the file tells them.
const BATCH_BYTES: i64 = 64 << 20;

/// The rows of a Parquet file.
pub(super) struct ParquetRows {
    name: String,
    reader: ParquetRecordBatchReader,
    layout: Layout,
    times: Times,
    reading: Reading,
    rows_read: u64,
}

impl ParquetRows {
    /// Opens a file; its headers, where they are of no known table.
    pub fn open(name: &str, chunks: Chunks, lay: &Lay<'_>, options: &ReadOptions) -> Result<Result<Self, Vec<String>>> {
        let damaged =
            |error: ::parquet::errors::ParquetError| Error::from(error).context(phrase!("{name}: not a whole Parquet file"));
        let plain = ArrowReaderMetadata::load(&chunks, ArrowReaderOptions::new()).map_err(damaged)?;
        let headers: Vec<String> = plain.schema().fields().iter().map(|field| field.name().clone()).collect();
        let Some(layout) = lay(headers.clone(), &[]).map_err(|error| error.context(name.to_owned()))? else {
            return Ok(Err(headers));
        };
        let hinted = ArrowReaderOptions::new().with_schema(with_dictionaries(plain.schema(), &layout).into());
        let groups = plain.metadata().row_groups();
        let plain_rows = groups.iter().map(|group| group.num_rows()).sum();
        let plain_bytes = groups.iter().map(|group| group.total_byte_size()).sum();
        // A file whose texts cannot come as dictionaries is read as it is.
        let metadata = ArrowReaderMetadata::try_new(plain.metadata().clone(), hinted).unwrap_or(plain);
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, metadata)
            .with_batch_size(batch_rows(plain_rows, plain_bytes, options.batch_rows))
            .build()
            .map_err(damaged)?;
        let asked = &options.asked;
        let times = Times {
            zone: asked.zone,
            zone_is_told: asked.zone_is_told,
            order: asked.dates.unwrap_or(DateOrder::MonthFirst),
            plausible: asked.plausible,
        };
        let reading =
            Reading { format: "Parquet", text: None, zone: asked.zone.to_string(), zone_told: asked.zone_is_told, dates: None };
        Ok(Ok(Self { name: name.to_owned(), reader, layout, times, reading, rows_read: 0 }))
    }

    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    pub fn odd(&self) -> Odd {
        Odd::default()
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub fn rows_read(&self) -> u64 {
        self.rows_read
    }

    pub fn next(&mut self, rejects: &mut dyn RejectSink) -> Result<Next> {
        loop {
            let Some(batch) = self.reader.next() else { return Ok(Next::End) };
            let batch = batch.map_err(|error| {
                Error::corrupt(phrase!("{}: cut off or damaged after row {}: {error}", self.name, self.rows_read))
                    .with_source(error)
            })?;
            let before = self.rows_read;
            self.rows_read += batch.num_rows() as u64;
            let (told, misfits) = self.told(&batch)?;
            let mut reject = |row: usize, reason: String| {
                let row_of_file = before + row as u64 + 1;
                rejects.reject(Reject { file: self.name.clone(), line: row_of_file, reason, row: shown(&batch, row)? })
            };
            let refused: Vec<usize> = misfits.keys().copied().collect();
            for (row, reason) in misfits {
                reject(row, reason)?;
            }
            let complete = complete_rows(&self.layout.table, &told, &refused, reject)?;
            if complete.num_rows() > 0 {
                return Ok(Next::Rows(complete));
            }
        }
    }

    /// The batch in lake types, and the reasons of the rows that do not fit (which have nulls there).
    fn told(&self, batch: &RecordBatch) -> Result<(RecordBatch, BTreeMap<usize, String>)> {
        let mut misfits = BTreeMap::new();
        let mut arrays = Vec::with_capacity(self.layout.schema.fields().len());
        for filled in &self.layout.columns {
            let array = self.fill(filled, batch, &mut misfits);
            arrays.push(array.map_err(|error| error.context(phrase!("{}: column {}", self.name, filled.field.name)))?);
        }
        if !self.layout.unknown.is_empty() {
            arrays.push(self.custom(batch)?);
        }
        Ok((RecordBatch::try_new(self.layout.schema.clone(), arrays)?, misfits))
    }

    /// A column from its places, the best first.
    fn fill(&self, filled: &Filled, batch: &RecordBatch, misfits: &mut BTreeMap<usize, String>) -> Result<ArrayRef> {
        let mut values: Option<ArrayRef> = None;
        let mut lenient: BTreeMap<usize, String> = BTreeMap::new();
        for place in &filled.from {
            let converted = convert(filled, batch.column(place.at), &self.times)?;
            for (row, value, unfit) in converted.misfits {
                if values.as_ref().is_some_and(|values| values.is_valid(row)) {
                    continue;
                }
                // Under its label a lookup may show a name, which is kept as such.
                if matches!(unfit, Unfit::Id(_)) && filled.shows_name(place, &value) {
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
        let columns: Vec<StringArray> = unknown.iter().map(|unknown| texts(batch.column(unknown.at))).collect::<Result<_>>()?;
        let mut custom = Custom::new(unknown.iter().map(|unknown| &unknown.name), batch.num_rows());
        for row in 0..batch.num_rows() {
            custom.push(columns.iter().zip(unknown).map(|(column, unknown)| {
                let text = if column.is_valid(row) { column.value(row) } else { "" };
                if unknown.names_only && SfId::parse(text).is_ok() { "" } else { text }
            }));
        }
        custom.finish()
    }
}

/// Rows read at once of a file with so many rows and bytes: few where each of them is large.
fn batch_rows(rows: i64, bytes: i64, most: usize) -> usize {
    let each = (bytes / rows.max(1)).max(1);
    usize::try_from(BATCH_BYTES / each).unwrap_or(0).clamp(1, most.max(1))
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
