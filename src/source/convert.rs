//! Converts a Parquet file's typed columns to the types of the lake.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int32Array, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::{CastOptions, can_cast_types, cast, cast_with_options};
use arrow::datatypes::{DataType, Date32Type, Field, Float64Type, Int32Type, Int64Type, TimeUnit};
use arrow::json::writer::{EncoderOptions, make_encoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::columns::{Column, ValueError, id};
use super::layout::{Filled, Holds};
use super::moments::{MomentError, Unit};
use super::reading::Times;
use super::values;
use crate::error::Result;
use crate::record::fields::{Kind, UTC};
use crate::record::key::day_of;

/// A column in its lake type.
pub(super) struct Converted {
    pub values: ArrayRef,
    /// Rows whose value does not fit (they are null in `values`): row, value, why.
    pub misfits: Vec<(usize, String, ValueError)>,
    /// Moments that the clocks of their zone skip.
    pub skipped: u64,
}

impl Converted {
    fn all(values: ArrayRef) -> Self {
        Self { values, misfits: Vec::new(), skipped: 0 }
    }

    /// Where a value became null, it did not fit.
    fn checked(from: &ArrayRef, values: ArrayRef, unfit: ValueError) -> Result<Self> {
        let mut misfits = Vec::new();
        if values.null_count() != from.null_count() {
            let options = FormatOptions::default();
            let shown = ArrayFormatter::try_new(from.as_ref(), &options)?;
            for row in (0..from.len()).filter(|&row| from.is_valid(row) && values.is_null(row)) {
                misfits.push((row, shown.value(row).to_string(), unfit));
            }
        }
        Ok(Self { values, misfits, skipped: 0 })
    }
}

/// Converts a column; nothing is copied where type and values already fit.
pub(super) fn convert(filled: &Filled, array: &ArrayRef, times: &Times) -> Result<Converted> {
    use DataType::{Boolean, Date32, Date64, Dictionary, Float16, Float32, Float64, Timestamp};
    let dtype = array.data_type();
    match (filled.field.kind, dtype) {
        (_, dtype) if is_binary(dtype) => {
            let (decoded, broken) = decoded(array)?;
            let mut converted = convert(filled, &(Arc::new(decoded) as ArrayRef), times)?;
            converted.misfits.extend(broken.into_iter().map(|row| (row, String::new(), ValueError::Encoding)));
            Ok(converted)
        }
        (Kind::Bool, Boolean) | (Kind::Date, Date32) => Ok(Converted::all(array.clone())),
        (Kind::Bool, other) if other.is_integer() => {
            let numbers = cast(array, &DataType::Int64)?;
            let bools: BooleanArray = numbers.as_primitive::<Int64Type>().iter().map(|number| zero_or_one(number?)).collect();
            Converted::checked(array, Arc::new(bools), ValueError::Bool)
        }
        (Kind::Int, other) if other.is_integer() => Converted::checked(array, cast(array, &DataType::Int32)?, ValueError::Int),
        (Kind::Int, Float16 | Float32 | Float64) => {
            let numbers = numbers(array)?;
            let whole: Int32Array = numbers.iter().map(|number| values::whole(number?)).collect();
            let numbers: ArrayRef = Arc::new(numbers);
            Converted::checked(&numbers, Arc::new(whole), ValueError::Int)
        }
        (Kind::Time, Timestamp(_, _)) => {
            let mut clock = times.moments();
            let is_local = times.zone_is_given && matches!(dtype, Timestamp(_, None));
            let mut utc = |micros| if is_local { clock.local(micros) } else { Some(micros) };
            let moments: TimestampMicrosecondArray =
                moments(array)?.iter().map(|micros| utc(micros?).filter(|micros| times.plausible.has(*micros))).collect();
            let moments = Arc::new(moments.with_timezone(UTC.clone()));
            let converted = Converted::checked(array, moments, ValueError::Time(MomentError::Implausible))?;
            Ok(Converted { skipped: clock.skipped(), ..converted })
        }
        (Kind::Time, other) if other.is_integer() => {
            let numbers = cast(array, &DataType::Int64)?;
            let numbers = numbers.as_primitive::<Int64Type>();
            // They are of one unit: the whole file was examined.
            let micros = |number| Unit::of(number, times.plausible)?.micros(number);
            let micros: TimestampMicrosecondArray = numbers.iter().map(|number| micros(number?)).collect();
            Converted::checked(array, Arc::new(micros.with_timezone(UTC.clone())), ValueError::Time(MomentError::Implausible))
        }
        (Kind::Time, Date32 | Date64) => {
            let days = cast(array, &Date32)?;
            let mut zone = times.moments();
            let micros: TimestampMicrosecondArray =
                days.as_primitive::<Date32Type>().iter().map(|days| zone.midnight(days?)).collect();
            Converted::checked(array, Arc::new(micros.with_timezone(UTC.clone())), ValueError::Time(MomentError::None))
        }
        (Kind::Date, Timestamp(_, _)) => {
            let days: Date32Array = moments(array)?.iter().map(|micros| micros.map(day_of)).collect();
            Converted::checked(array, Arc::new(days), ValueError::Date(MomentError::None))
        }
        (Kind::Date, Date64) => Ok(Converted::all(cast(array, &Date32)?)),
        (Kind::Label | Kind::LabelId, Dictionary(_, _)) if *dtype == Kind::Label.lake_type() && clean(filled, array) => {
            Ok(Converted::all(array.clone()))
        }
        (Kind::Text | Kind::Id, _) => {
            let texts: ArrayRef = Arc::new(texts(array)?);
            if clean_texts(filled, texts.as_string()) {
                Ok(Converted::all(texts))
            } else {
                read(filled, texts.as_string(), times)
            }
        }
        _ => read(filled, &texts(array)?, times),
    }
}

/// Floats of any width; the missing number of a data frame, "not a number", is null.
fn numbers(array: &ArrayRef) -> Result<Float64Array> {
    let numbers = cast(array, &DataType::Float64)?;
    Ok(numbers.as_primitive::<Float64Type>().iter().map(|number| number.filter(|number| !number.is_nan())).collect())
}

fn zero_or_one(number: i64) -> Option<bool> {
    match number {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Moments of any unit and zone as UTC microseconds; without a zone they are UTC. What does not fit becomes null.
fn moments(array: &ArrayRef) -> Result<TimestampMicrosecondArray> {
    let numbers = cast(array, &DataType::Int64)?;
    let numbers = numbers.as_primitive::<Int64Type>();
    let micros: TimestampMicrosecondArray = match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => numbers.unary_opt(|number| number.checked_mul(1_000_000)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => numbers.unary_opt(|number| number.checked_mul(1_000)),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => numbers.unary(|number| number.div_euclid(1_000)),
        _ => numbers.unary(|number| number),
    };
    Ok(micros.with_timezone(UTC.clone()))
}

/// Texts one by one, as those of delimited text; but no word is nothing, because this format has a nothing of its own.
fn read(filled: &Filled, texts: &StringArray, times: &Times) -> Result<Converted> {
    let mut column = Column::new(filled, times, texts.len()).with_own_nulls();
    let mut misfits = Vec::new();
    for (row, text) in texts.iter().enumerate() {
        match text.map_or(Ok(false), |text| column.push(text)) {
            Ok(true) => {}
            Ok(false) => column.push_null(),
            Err(unfit) => {
                column.push_null();
                misfits.push((row, text.unwrap_or_default().to_owned(), unfit));
            }
        }
    }
    Ok(Converted { skipped: column.skipped(), values: column.finish()?, misfits })
}

/// Is every value of the dictionary as the lake holds it?
fn clean(filled: &Filled, array: &ArrayRef) -> bool {
    let values = array.as_dictionary::<Int32Type>().values();
    values.null_count() == 0 && values.as_string_opt().is_some_and(|values| clean_texts(filled, values))
}

/// Is every text as the lake holds it: no word for null, and ids canonical?
fn clean_texts(filled: &Filled, texts: &StringArray) -> bool {
    let mut present = texts.iter().flatten();
    match filled.holds {
        Holds::Text => !present.any(str::is_empty),
        Holds::Day => false,
        _ if filled.field.kind.is_id() => present.all(|text| id(text, filled.prefixes).is_ok_and(|id| id.as_str() == text)),
        _ => !present.any(|text| values::is_null(text, true) || text.trim_ascii().len() < text.len()),
    }
}

pub(super) fn is_binary(dtype: &DataType) -> bool {
    matches!(dtype, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

pub(super) fn is_text(dtype: &DataType) -> bool {
    matches!(dtype, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Bytes as texts, without what fills them up to a fixed width; null, and their rows, where they are none.
fn decoded(array: &ArrayRef) -> Result<(StringArray, Vec<usize>)> {
    let bytes = cast(array, &DataType::LargeBinary)?;
    let bytes = bytes.as_binary::<i64>();
    let text = |bytes| std::str::from_utf8(bytes).ok().map(|text| text.trim_end_matches('\0'));
    let texts: StringArray = bytes.iter().map(|bytes| text(bytes?)).collect();
    let broken = (0..bytes.len()).filter(|&row| bytes.is_valid(row) && texts.is_null(row)).collect();
    Ok((texts, broken))
}

/// Lists and objects as JSON.
fn json(array: &ArrayRef) -> Result<StringArray> {
    let field = Arc::new(Field::new("", array.data_type().clone(), true));
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(&field, array.as_ref(), &options)?;
    let mut text = Vec::new();
    let mut row = |at: usize| {
        text.clear();
        encoder.encode(at, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    Ok((0..array.len()).map(|at| array.is_valid(at).then(|| row(at))).collect())
}

/// Any column as texts; a whole number that was stored with a fraction has none (`123`, not `123.0`), and bytes that are no
/// letters are shown by their numbers.
pub(super) fn texts(array: &ArrayRef) -> Result<StringArray> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    match array.data_type() {
        nested if nested.is_nested() => return json(array),
        dtype if is_binary(dtype) => {
            let (texts, broken) = decoded(array)?;
            if broken.is_empty() {
                return Ok(texts);
            }
        }
        DataType::Decimal32(_, 1..)
        | DataType::Decimal64(_, 1..)
        | DataType::Decimal128(_, 1..)
        | DataType::Decimal256(_, 1..) => {
            let texts = cast_with_options(array, &DataType::Utf8, &strict)?;
            let whole = |text: &str| match text.split_once('.') {
                Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole.to_owned(),
                _ => text.to_owned(),
            };
            return Ok(texts.as_string::<i32>().iter().map(|text| text.map(whole)).collect());
        }
        _ => {}
    }
    if matches!(array.data_type(), DataType::Float16 | DataType::Float32 | DataType::Float64) {
        return Ok(numbers(array)?.iter().map(|number| number.map(|number| number.to_string())).collect());
    }
    if can_cast_types(array.data_type(), &DataType::Utf8) && !is_binary(array.data_type()) {
        return Ok(cast_with_options(array, &DataType::Utf8, &strict)?.as_string::<i32>().clone());
    }
    let options = FormatOptions::default();
    let shown = ArrayFormatter::try_new(array.as_ref(), &options)?;
    Ok((0..array.len()).map(|row| array.is_valid(row).then(|| shown.value(row).to_string())).collect())
}
