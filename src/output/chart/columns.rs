//! Converts the columns of an answer into what a chart needs: moments, numbers, labels.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options, concat};
use arrow::datatypes::{DataType, Float64Type, Schema, TimeUnit, TimestampMillisecondType};
use chrono_tz::Tz;

use super::axis::Time;
use super::scale;
use crate::error::{Error, Result};
use crate::human::printable;
use crate::output::plain::{is_utc, plain_schema};

/// What stands where a label is null.
const NO_LABEL: &str = "(null)";

/// A column, all its rows.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) values: Values,
}

/// What a column holds.
pub(super) enum Values {
    Moments {
        millis: Vec<Option<i64>>,
        time: Time,
    },
    /// Null, and what is no number, is none.
    Numbers {
        numbers: Vec<Option<f64>>,
        whole: bool,
    },
    Labels(Vec<String>),
}

impl Column {
    /// Each row's label, whatever the column holds.
    pub(super) fn labels(&self) -> Vec<String> {
        match &self.values {
            Values::Labels(labels) => labels.clone(),
            Values::Numbers { numbers, .. } => {
                numbers.iter().map(|number| number.map_or(NO_LABEL.to_owned(), scale::plain)).collect()
            }
            Values::Moments { millis, time } => {
                let pattern = if time.days { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M:%S" };
                let formatted = |millis: i64| time.wall(millis).map(|wall| wall.format(pattern).to_string());
                millis.iter().map(|millis| millis.and_then(formatted).unwrap_or_else(|| NO_LABEL.to_owned())).collect()
            }
        }
    }

    /// The name, and the zone of its moments.
    pub(super) fn caption(&self) -> String {
        match &self.values {
            Values::Moments { time: Time { zone: Some(zone), .. }, .. } => {
                let zone = format!("{zone:?}");
                let zone = zone.split('"').nth(1).unwrap_or(&zone);
                format!("{} ({zone})", self.name)
            }
            _ => self.name.clone(),
        }
    }
}

/// The answer's columns.
pub(super) fn of(schema: &Schema, batches: &[RecordBatch], zone: Option<Tz>) -> Result<Vec<Column>> {
    let fields = plain_schema(schema);
    let mut columns = Vec::with_capacity(fields.fields().len());
    for (at, field) in fields.fields().iter().enumerate() {
        let parts: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(at).as_ref()).collect();
        let values = match parts.is_empty() {
            true => arrow::array::new_empty_array(field.data_type()),
            false => concat(&parts)?,
        };
        let name = printable(field.name());
        let values = values_of(&name, field.data_type(), &values, zone)?;
        columns.push(Column { name, values });
    }
    Ok(columns)
}

fn values_of(name: &str, kind: &DataType, values: &ArrayRef, zone: Option<Tz>) -> Result<Values> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let as_type = |kind: &DataType| cast_with_options(values, kind, &strict);
    match kind {
        kind if kind.is_numeric() => {
            let numbers = as_type(&DataType::Float64)?;
            let numbers = numbers.as_primitive::<Float64Type>().iter();
            let whole = kind.is_integer();
            Ok(Values::Numbers { numbers: numbers.map(|number| number.filter(|number| number.is_finite())).collect(), whole })
        }
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _) => {
            let own = if let DataType::Timestamp(_, own) = kind { own.as_deref() } else { None };
            let shown = match (own, zone) {
                (Some(own), Some(zone)) if is_utc(own) => Some(zone.name()),
                (Some(own), _) if is_utc(own) => Some("UTC"),
                (own, _) => own,
            };
            let days = matches!(kind, DataType::Date32 | DataType::Date64);
            let time = Time { zone: shown.map(str::parse).transpose()?, days };
            let moments = as_type(&DataType::Timestamp(TimeUnit::Millisecond, own.map(Into::into)))?;
            Ok(Values::Moments { millis: moments.as_primitive::<TimestampMillisecondType>().iter().collect(), time })
        }
        kind if kind.is_string() || *kind == DataType::Boolean || *kind == DataType::Null => {
            let texts = as_type(&DataType::Utf8)?;
            let texts = texts.as_string::<i32>().iter();
            Ok(Values::Labels(texts.map(|text| text.map_or(NO_LABEL.to_owned(), printable)).collect()))
        }
        other => Err(Error::invalid(phrase!("column {name} is a {other}, which cannot be drawn; leave it out"))),
    }
}
