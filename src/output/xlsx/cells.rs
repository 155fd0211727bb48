//! Converts the values of a column to cells of a spreadsheet.

use std::borrow::Cow;

use arrow::array::temporal_conversions::{as_datetime, date32_to_datetime};
use arrow::array::timezone::Tz as ArrowTz;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DecimalType, Field, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{NaiveDate, NaiveDateTime, TimeZone, Timelike};
use chrono_tz::Tz;
use rust_xlsxwriter::Format;

use crate::error::{Error, Result};
use crate::output::plain::is_utc;
use crate::output::width::width;

/// Digits that a spreadsheet keeps of a number.
const DIGITS: u32 = 15;
/// 1 March 1900 and 31 December 9999 in days of a spreadsheet. Before, it counts a 29 February 1900 that never was.
const DAYS: std::ops::RangeInclusive<i64> = 61..=2_958_465;

/// A column of the answer.
pub(super) struct Column {
    pub(super) name: String,
    /// The name, and the zone of its moments.
    pub(super) header: String,
    pub(super) format: Option<Format>,
    /// The type its values are brought to; none where they are shown as text in Arrow's own way.
    kind: Option<DataType>,
    zone: Option<String>,
}

/// One value.
#[derive(Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Empty,
    Number(f64),
    /// Days since the end of 1899; whether it has parts of a second.
    Moment {
        serial: f64,
        millis: bool,
    },
    Truth(bool),
    Text(Cow<'a, str>),
}

impl Column {
    pub(super) fn of(field: &Field, zone: Option<Tz>) -> Self {
        let mut own_zone = None;
        let (kind, format) = match field.data_type() {
            DataType::UInt64 => (Some(DataType::Decimal128(20, 0)), Some("0".to_owned())),
            kind if kind.is_integer() => (Some(DataType::Int64), Some("0".to_owned())),
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale) => {
                let decimals = "0".repeat(usize::try_from(*scale).unwrap_or(0));
                let format = if decimals.is_empty() { "0".to_owned() } else { format!("0.{decimals}") };
                (Some(DataType::Decimal128(*precision, *scale)), Some(format))
            }
            kind if kind.is_floating() => (Some(DataType::Float64), None),
            DataType::Boolean => (Some(DataType::Boolean), None),
            DataType::Date32 | DataType::Date64 => (Some(DataType::Date32), Some("yyyy-mm-dd".to_owned())),
            DataType::Timestamp(_, own) => {
                own_zone = own.as_deref().map(|own| match zone {
                    Some(zone) if is_utc(own) => zone.name().to_owned(),
                    _ if is_utc(own) => "UTC".to_owned(),
                    // The statement itself asked for another zone.
                    _ => own.to_owned(),
                });
                let kind = DataType::Timestamp(TimeUnit::Microsecond, own.clone());
                (Some(kind), Some("yyyy-mm-dd hh:mm:ss".to_owned()))
            }
            kind if kind.is_string() || kind.is_nested() => (Some(DataType::Utf8), Some("@".to_owned())),
            _ => (None, Some("@".to_owned())),
        };
        let name = field.name().clone();
        let header = own_zone.as_ref().map_or_else(|| name.clone(), |zone| format!("{name} ({zone})"));
        Self { name, header, format: format.map(|format| Format::new().set_num_format(format)), kind, zone: own_zone }
    }

    pub(super) fn cells(&self, values: &ArrayRef) -> Result<Cells> {
        let Some(kind) = &self.kind else { return Ok(Cells::Text(formatted(values)?)) };
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let values = cast_with_options(values, kind, &strict)?;
        Ok(match kind {
            DataType::Int64 => Cells::Whole(values.as_primitive::<Int64Type>().clone()),
            DataType::Decimal128(_, _) => Cells::Decimal(values.as_primitive::<Decimal128Type>().clone()),
            DataType::Float64 => Cells::Real(values.as_primitive::<Float64Type>().clone()),
            DataType::Boolean => Cells::Truth(values.as_boolean().clone()),
            DataType::Date32 => Cells::Day(values.as_primitive::<Date32Type>().clone()),
            DataType::Timestamp(_, _) => {
                let zone = self.zone.as_deref().map(str::parse::<ArrowTz>).transpose()?;
                Cells::Moment(values.as_primitive::<TimestampMicrosecondType>().clone(), zone)
            }
            _ => Cells::Text(values.as_string::<i32>().clone()),
        })
    }
}

/// A batch's values of one column.
pub(super) enum Cells {
    Whole(Int64Array),
    Decimal(Decimal128Array),
    Real(Float64Array),
    Truth(BooleanArray),
    Day(Date32Array),
    Moment(TimestampMicrosecondArray, Option<ArrowTz>),
    Text(StringArray),
}

impl Cells {
    pub(super) fn at(&self, row: usize) -> Result<Cell<'_>> {
        Ok(match self {
            Self::Whole(values) if values.is_valid(row) => whole(values.value(row).into(), 0),
            Self::Decimal(values) if values.is_valid(row) => whole(values.value(row), values.scale()),
            Self::Real(values) if values.is_valid(row) => match values.value(row) {
                number if number.is_finite() => Cell::Number(number),
                other => Cell::Text(other.to_string().into()),
            },
            Self::Truth(values) if values.is_valid(row) => Cell::Truth(values.value(row)),
            Self::Day(values) if values.is_valid(row) => {
                let day = date32_to_datetime(values.value(row)).map(|moment| moment.date());
                let day = day.ok_or_else(|| Error::invalid("a date beyond every calendar; leave it out"))?;
                match days(day) {
                    Some(days) => Cell::Number(days as f64),
                    None => Cell::Text(day.to_string().into()),
                }
            }
            Self::Moment(values, zone) if values.is_valid(row) => {
                let utc = as_datetime::<TimestampMicrosecondType>(values.value(row));
                let utc = utc.ok_or_else(|| Error::invalid("a moment beyond every calendar; leave it out"))?;
                moment(zone.map_or(utc, |zone| zone.from_utc_datetime(&utc).naive_local()))
            }
            Self::Text(values) if values.is_valid(row) => Cell::Text(values.value(row).into()),
            _ => Cell::Empty,
        })
    }
}

impl Cell<'_> {
    /// How many characters it shows, roughly.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Empty => 0,
            // As many digits as a cell shows of a fraction.
            Self::Number(number) => number.to_string().len().min(12),
            Self::Moment { millis, .. } => {
                if *millis {
                    23
                } else {
                    19
                }
            }
            Self::Truth(_) => 5,
            Self::Text(text) => text.lines().map(width).max().unwrap_or(0),
        }
    }
}

/// A number of decimals, as text where a spreadsheet would lose digits.
fn whole(unscaled: i128, scale: i8) -> Cell<'static> {
    let text = || Decimal128Type::format_decimal(unscaled, u8::MAX, scale);
    let fits = unscaled.unsigned_abs() < 10_u128.pow(DIGITS);
    match text().parse::<f64>() {
        Ok(number) if fits => Cell::Number(number),
        _ => Cell::Text(text().into()),
    }
}

fn moment(local: NaiveDateTime) -> Cell<'static> {
    let millis =
        i64::from(local.time().num_seconds_from_midnight()) * 1000 + i64::from(local.and_utc().timestamp_subsec_millis());
    match days(local.date()) {
        Some(days) => Cell::Moment { serial: days as f64 + millis as f64 / 86_400_000.0, millis: millis % 1000 != 0 },
        None => Cell::Text(local.to_string().into()),
    }
}

/// Days as a spreadsheet counts them, where it can.
fn days(day: NaiveDate) -> Option<i64> {
    let days = day.signed_duration_since(NaiveDate::from_ymd_opt(1899, 12, 30)?).num_days();
    DAYS.contains(&days).then_some(days)
}

/// Values of types a spreadsheet has none for.
fn formatted(values: &ArrayRef) -> Result<StringArray> {
    let formatter = ArrayFormatter::try_new(values.as_ref(), &FormatOptions::default().with_display_error(false))?;
    let text = |row: usize| values.is_valid(row).then(|| formatter.value(row).try_to_string()).transpose();
    Ok((0..values.len()).map(text).collect::<Result<StringArray, _>>()?)
}
