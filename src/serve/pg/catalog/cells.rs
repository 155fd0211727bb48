//! Builds rows of a catalog relation, column by column, by name.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Result as DfResult, ScalarValue};

use super::shapes::Shape;

/// A value, of any width: it takes that of its column.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// No value.
    Null,
    /// A truth.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A number with a fraction.
    Real(f64),
    /// A text.
    Text(String),
    /// Numbers.
    Ints(Vec<i64>),
    /// Texts.
    Texts(Vec<String>),
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Cell {
    fn from(value: i32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One row: the columns that have a value.
pub(super) type Row = Vec<(&'static str, Cell)>;

/// The schema in which we hold a relation.
pub(super) fn schema(shape: &Shape) -> SchemaRef {
    Arc::new(Schema::new(shape.columns().map(|(name, data_type)| Field::new(name, data_type, true)).collect::<Vec<_>>()))
}

/// The relation with these rows. Columns no row names are null.
///
/// # Errors
/// Where a value has not the type of its column.
pub(super) fn batch(shape: &Shape, rows: Vec<Row>) -> DfResult<RecordBatch> {
    let schema = schema(shape);
    let count = rows.len();
    let mut by_name: HashMap<&'static str, Vec<Cell>> = HashMap::new();
    for (at, row) in rows.into_iter().enumerate() {
        for (name, cell) in row {
            let column = by_name.entry(name).or_insert_with(|| Vec::with_capacity(count));
            column.resize(at, Cell::Null);
            column.push(cell);
        }
    }
    let array = |field: &Arc<Field>| -> DfResult<ArrayRef> {
        let data_type = field.data_type();
        let Some(mut column) = by_name.remove(field.name().as_str()) else { return Ok(new_null_array(data_type, count)) };
        column.resize(count, Cell::Null);
        ScalarValue::iter_to_array(column.into_iter().map(|cell| scalar(cell, data_type)).collect::<DfResult<Vec<_>>>()?)
    };
    let arrays = schema.fields().iter().map(array).collect::<DfResult<Vec<_>>>()?;
    debug_assert!(by_name.is_empty(), "{} has no {:?}", shape.name, by_name.keys());
    Ok(RecordBatch::try_new_with_options(schema, arrays, &RecordBatchOptions::new().with_row_count(Some(count)))?)
}

fn scalar(cell: Cell, data_type: &DataType) -> DfResult<ScalarValue> {
    let value = match (cell, data_type) {
        (Cell::Null, _) => return ScalarValue::try_from(data_type),
        (Cell::Ints(items), DataType::List(item)) => {
            let items = items.into_iter().map(|item_value| ScalarValue::from(item_value).cast_to(item.data_type()));
            let items = items.collect::<DfResult<Vec<_>>>()?;
            return Ok(ScalarValue::List(ScalarValue::new_list_nullable(&items, item.data_type())));
        }
        (Cell::Texts(items), _) => {
            let items: Vec<ScalarValue> = items.into_iter().map(ScalarValue::from).collect();
            return Ok(ScalarValue::List(ScalarValue::new_list_nullable(&items, &DataType::Utf8)));
        }
        (Cell::Bool(value), _) => ScalarValue::from(value),
        (Cell::Int(value), _) => ScalarValue::from(value),
        (Cell::Real(value), _) => ScalarValue::from(value),
        (Cell::Text(value), _) => ScalarValue::from(value),
        (Cell::Ints(items), _) => ScalarValue::from(items.iter().map(i64::to_string).collect::<Vec<_>>().join(" ")),
    };
    if value.data_type() == *data_type { Ok(value) } else { value.cast_to(data_type) }
}
