//! Converts columns to types that other programs can read: no views, no dictionaries, no column name twice.
//!
//! Views and dictionaries save time inside the engine. Readers a few years old refuse views, and an Arrow file refuses a dictionary
//! that changes from batch to batch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::json::writer::{EncoderOptions, make_encoder};
use hashbrown::HashSet;

use crate::error::Result;

/// The type under views, dictionaries and runs.
fn plain_type(kind: &DataType) -> DataType {
    let inside = |field: &Arc<Field>| Arc::new(field.as_ref().clone().with_data_type(plain_type(field.data_type())));
    match kind {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type()),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(field) | DataType::ListView(field) => DataType::List(inside(field)),
        DataType::LargeList(field) | DataType::LargeListView(field) => DataType::LargeList(inside(field)),
        other => other.clone(),
    }
}

/// The schema with plain types, everything nullable, and names that differ.
pub(super) fn plain_schema(schema: &Schema) -> SchemaRef {
    let named = distinct(schema);
    let fields = named.fields().iter().map(|field| Field::new(field.name(), plain_type(field.data_type()), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The batch with the columns of `schema`, which came from [`plain_schema`].
pub(super) fn plain_batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| Ok(cast(column, field.data_type())?));
    with_columns(batch, schema, columns.collect::<Result<_>>()?)
}

/// The schema with names that differ: the second `id` becomes `id_2`. A join may well give two columns one name, and JSON
/// objects and files cannot hold that.
pub fn distinct(schema: &Schema) -> SchemaRef {
    let mut taken: HashSet<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let mut seen: HashSet<&str> = HashSet::new();
    let mut fields = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let mut name = field.name().clone();
        if !seen.insert(field.name()) {
            let mut n = 2;
            while !taken.insert(format!("{}_{n}", field.name())) {
                n += 1;
            }
            name = format!("{}_{n}", field.name());
        }
        fields.push(Arc::new(field.as_ref().clone().with_name(name)));
    }
    Arc::new(Schema::new(fields))
}

/// The same columns under `schema`'s names.
pub(super) fn renamed(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    // The batch's own types hold: a producer may hand out a dictionary where it announced text.
    let fields = schema.fields().iter().zip(batch.columns());
    let fields = fields.map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true));
    with_columns(batch, &Arc::new(Schema::new(fields.collect::<Vec<_>>())), batch.columns().to_vec())
}

/// Lists, structs and maps as JSON text, for formats whose cells hold one value.
pub(super) fn nested_as_text(batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let nested = plain_type(column.data_type()).is_nested();
        let column = if nested { json_text(field, column)? } else { Arc::clone(column) };
        fields.push(Field::new(field.name(), column.data_type().clone(), true));
        columns.push(column);
    }
    with_columns(batch, &Arc::new(Schema::new(fields)), columns)
}

fn json_text(field: &Arc<Field>, column: &ArrayRef) -> Result<ArrayRef> {
    let options = EncoderOptions::default();
    let mut encoder = make_encoder(field, column.as_ref(), &options)?;
    let mut buffer = Vec::new();
    let text = (0..column.len()).map(|row| {
        buffer.clear();
        (!encoder.is_null(row)).then(|| {
            encoder.encode(row, &mut buffer);
            String::from_utf8_lossy(&buffer).into_owned()
        })
    });
    Ok(Arc::new(text.collect::<StringArray>()))
}

fn with_columns(batch: &RecordBatch, schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// Whether a column's moments are in UTC: those are shown in the zone asked for.
pub(super) fn is_utc(zone: &str) -> bool {
    zone.eq_ignore_ascii_case("UTC") || zone == "+00:00"
}
