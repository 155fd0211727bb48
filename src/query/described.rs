//! The answers that are no rows of a table: what a table's columns are, and how a statement is planned.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, FieldRef, Fields, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Explain, LogicalPlan};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

use crate::error::Result;

/// The answer of `DESCRIBE`, with types as people name them.
pub(super) fn described_as(fields: &Fields) -> Result<SendableRecordBatchStream> {
    let texts =
        |of: &dyn Fn(&FieldRef) -> String| Arc::new(fields.iter().map(of).map(Some).collect::<StringViewArray>()) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("column_name", texts(&|field| field.name().clone())),
        ("data_type", texts(&|field| type_name(field.data_type()))),
        ("is_nullable", texts(&|field| if field.is_nullable() { "YES" } else { "NO" }.to_owned())),
    ])?;
    let schema = batch.schema();
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::once(async { Ok(batch) }))))
}

/// A type as people name it.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8View | DataType::Utf8 | DataType::LargeUtf8 => "text".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int32 | DataType::Int64 => "integer".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(_, Some(zone)) => format!("timestamp ({zone})"),
        other => other.to_string(),
    }
}

/// The answer of `EXPLAIN` for who does not see everything: the statement as it was understood, without files, figures and policies.
pub(super) fn explained_as(explain: &Explain, understood: &LogicalPlan) -> Result<SendableRecordBatchStream> {
    let schema: SchemaRef = Arc::new(explain.schema.as_arrow().clone());
    let plan = understood.display_indent().to_string();
    let texts = ["logical_plan".to_owned(), plan].into_iter().zip(schema.fields());
    let columns = texts.map(|(text, field)| {
        let column: ArrayRef = Arc::new(StringViewArray::from(vec![Some(text)]));
        Ok(arrow::compute::cast(&column, field.data_type())?)
    });
    let batch = RecordBatch::try_new(schema.clone(), columns.collect::<Result<Vec<_>>>()?)?;
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::once(async { Ok(batch) }))))
}
