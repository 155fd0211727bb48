//! The values of one column, converted to types that Postgres has.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, DurationMicrosecondArray, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, StringViewArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::serve::pg::failure::Failure;
use crate::serve::pg::types;
use crate::serve::pg::zone::Zone;

/// The values of one column, ready to be written.
pub struct Column {
    pub(super) values: Values,
    nulls: ArrayRef,
}

pub(super) enum Values {
    Bool(BooleanArray),
    Int2(Int16Array),
    Int4(Int32Array),
    Int8(Int64Array),
    Float4(Float32Array),
    Float8(Float64Array),
    /// Digits, with a point where there is one.
    Numeric(StringViewArray),
    Date(Date32Array),
    Time(Time64MicrosecondArray),
    Timestamp(TimestampMicrosecondArray),
    Moment(TimestampMicrosecondArray, Zone),
    Interval(IntervalMonthDayNanoArray),
    Span(DurationMicrosecondArray),
    Bytes(BinaryArray),
    Text(StringViewArray),
    List(ListArray, Box<Column>, u32),
}

impl Column {
    /// The values of an array as those of a column of this type; moments as clocks of `zone` show them.
    ///
    /// # Errors
    /// 22003 for a value that this type cannot hold.
    pub fn new(array: &ArrayRef, promised: &DataType, zone: Zone) -> Result<Self, Failure> {
        let wanted = types::outgoing(promised);
        let array = match array.data_type() {
            same if *same == wanted => array.clone(),
            parts if parts.is_nested() && wanted == DataType::Utf8View => displayed(array)?,
            _ => cast_with_options(array, &wanted, &CastOptions { safe: false, ..CastOptions::default() })
                .map_err(|error| Failure::new("22003", format!("a value cannot be sent: {error}")))?,
        };
        let values = match &wanted {
            DataType::Boolean => Values::Bool(array.as_boolean().clone()),
            DataType::Int16 => Values::Int2(array.as_primitive().clone()),
            DataType::Int32 => Values::Int4(array.as_primitive().clone()),
            DataType::Int64 => Values::Int8(array.as_primitive().clone()),
            DataType::Float32 => Values::Float4(array.as_primitive().clone()),
            DataType::Float64 => Values::Float8(array.as_primitive().clone()),
            DataType::Decimal128(..) | DataType::Decimal256(..) => Values::Numeric(as_texts(&array)?),
            DataType::Date32 => Values::Date(array.as_primitive().clone()),
            DataType::Time64(_) => Values::Time(array.as_primitive().clone()),
            DataType::Timestamp(_, None) => Values::Timestamp(array.as_primitive().clone()),
            DataType::Timestamp(_, Some(_)) => Values::Moment(array.as_primitive().clone(), zone),
            DataType::Interval(_) => Values::Interval(array.as_primitive().clone()),
            DataType::Duration(_) => Values::Span(array.as_primitive().clone()),
            DataType::Binary => Values::Bytes(array.as_binary().clone()),
            DataType::List(of) => {
                let list: ListArray = array.as_list().clone();
                let inner = Self::new(list.values(), of.data_type(), zone)?;
                Values::List(list, Box::new(inner), types::oid(of.data_type()))
            }
            _ => Values::Text(as_texts(&array)?),
        };
        Ok(Self { values, nulls: array })
    }

    /// Is there no value in this row?
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.is_null(row) || self.nulls.data_type() == &DataType::Null
    }
}

fn as_texts(array: &ArrayRef) -> Result<StringViewArray, Failure> {
    Ok(arrow::compute::cast(array, &DataType::Utf8View)?.as_string_view().clone())
}

/// Values made of parts, as they are shown.
fn displayed(array: &ArrayRef) -> Result<ArrayRef, Failure> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
    let text = |row: usize| (!array.is_null(row)).then(|| formatter.value(row).to_string());
    Ok(std::sync::Arc::new((0..array.len()).map(text).collect::<StringViewArray>()))
}
