//! Formats the values of a column as text, for tables and records.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono_tz::Tz;

use crate::error::Result;
use crate::human::printable;

use super::plain::is_utc;

/// A column's cells as shown; null is empty.
pub fn cells(column: &ArrayRef, zone: Option<Tz>) -> Result<Vec<String>> {
    let (column, moment) = in_zone(column, zone)?;
    let options = FormatOptions::default()
        .with_display_error(false)
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        .with_timestamp_tz_format(Some(moment));
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
    let kind = column.data_type();
    (0..column.len()).map(|row| Ok(cell(&formatter.value(row).try_to_string()?, kind))).collect()
}

/// The column in the zone asked for, and how its moments are written: UTC with a Z, any other zone with its offset.
fn in_zone(column: &ArrayRef, zone: Option<Tz>) -> Result<(ArrayRef, &'static str)> {
    const IN_UTC: &str = "%Y-%m-%d %H:%M:%S%.fZ";
    const WITH_OFFSET: &str = "%Y-%m-%d %H:%M:%S%.f%:z";
    let DataType::Timestamp(unit, Some(own)) = column.data_type() else { return Ok((Arc::clone(column), IN_UTC)) };
    match zone {
        Some(zone) if zone != Tz::UTC && is_utc(own) => {
            Ok((cast(column, &DataType::Timestamp(*unit, Some(Arc::from(zone.name()))))?, WITH_OFFSET))
        }
        _ if is_utc(own) => Ok((Arc::clone(column), IN_UTC)),
        // The statement itself asked for another zone.
        _ => Ok((Arc::clone(column), WITH_OFFSET)),
    }
}

/// One value as shown: on one line, obeyed by no terminal.
pub(super) fn cell(value: &str, kind: &DataType) -> String {
    match kind {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => rounded(value),
        kind if is_number(kind) => value.to_owned(),
        _ => printable(value),
    }
}

/// A float with at most four decimals; very small and very large ones, and all in the formats for machines, as they are.
fn rounded(value: &str) -> String {
    match value.parse::<f64>() {
        Ok(number) if number == 0.0 || (1e-3..1e15).contains(&number.abs()) => {
            let text = format!("{number:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        // Null is no number; infinities and the like say what they are.
        _ => value.to_owned(),
    }
}

/// Is it a column of numbers, which stand to the right?
pub fn is_number(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_number(values),
        kind => kind.is_numeric(),
    }
}
