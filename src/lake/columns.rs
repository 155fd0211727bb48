//! Builds batches with the columns a reader expects: the columns SQL sees, the tier's column, and null columns where a file is
//! older than the column.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef};
use datafusion::common::ScalarValue;

use crate::error::{Error, Result};
use crate::record::fields::{TIER, Table, hidden};

/// The columns a scan can return: those of the files, then `tier`.
pub fn schema(table: &Table) -> SchemaRef {
    let files = table.scan_schema();
    let fields = files.fields().iter().cloned().chain([Arc::new(tier_field())]);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

pub(super) fn tier_field() -> ArrowField {
    ArrowField::new(TIER, DataType::Utf8View, false)
}

/// Rows of files with the columns of `schema`: the same, and the tier among them.
pub(super) fn with_tier(rows: &RecordBatch, schema: &SchemaRef, tier: &str) -> Result<RecordBatch> {
    let mut stored = rows.columns().iter();
    let columns = schema.fields().iter().map(|field| match field.name() == TIER {
        true => Ok(tier_value(tier).to_array_of_size(rows.num_rows())?),
        false => stored.next().cloned().ok_or_else(|| Error::internal("a column is missing")),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns.collect::<Result<_>>()?, &options)?)
}

pub(super) fn tier_value(tier: &str) -> ScalarValue {
    ScalarValue::Utf8View(Some(tier.to_owned()))
}

/// The batch with exactly the target's columns; a file older than a column has nulls there.
pub fn pad(batch: &RecordBatch, target: &SchemaRef) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = target
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
            Some(column) => Ok(arrow::compute::cast(column, field.data_type())?),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        })
        .collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(target.clone(), columns, &options)?)
}

/// The keys of a batch.
pub fn keys(batch: &RecordBatch) -> Result<&StringArray> {
    let column = batch.column_by_name(hidden::KEY).ok_or_else(|| Error::internal("batch without keys"))?;
    Ok(column.as_string::<i32>())
}
