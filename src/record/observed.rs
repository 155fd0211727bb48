//! The observed versions of an IER: which versions the engine saw, and when, stored compactly in the row itself.
//!
//! A row holds its newest version; [`hidden::OBSERVED`] holds the differences to the earlier ones. Its first line is the moment
//! of the first version. Each further line is the moment of a later version and, as a JSON object, the values that it replaced:
//!
//! ```text
//! 1786000000000
//! 1786086400000{"opened":false,"date_opened":null}
//! ```
//!
//! What was known at a moment is the row with all later lines undone, the last first. The text is part of the row, so it is
//! committed, moved, compacted and erased with it. `?` instead of the first moment says that the row was stored before observing
//! began. Moments are milliseconds since 1970, in UTC, by the engine's clock.

use std::collections::BTreeMap;
use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray, DynComparator, RecordBatch, StringArray, make_comparator};
use arrow::compute::{SortOptions, cast};
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type, TimestampMicrosecondType};
use serde_json::{Map, Value};

use super::fields::{Field, Kind, Table, hidden};
use crate::error::{Error, Result};

/// The first line of a row that was there before observing began.
const BEFORE_OBSERVING: &str = "?";

/// A version the engine saw.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeenVersion {
    /// When; null for a first version from before observing began.
    pub at_millis: Option<i64>,
    /// The values of the version before in the columns that changed; nothing for the first.
    pub was: Option<Map<String, Value>>,
}

/// Reads a row's observations, first version first.
///
/// # Errors
/// Corrupt when the text is not as [this module](self) describes.
pub fn parse(observed: &str) -> Result<Vec<SeenVersion>> {
    let corrupt = || Error::corrupt(phrase!("unreadable observations {observed:?}"));
    observed
        .lines()
        .map(|line| {
            if line == BEFORE_OBSERVING {
                return Ok(SeenVersion { at_millis: None, was: None });
            }
            let end = line.find('{').unwrap_or(line.len());
            let at_millis = line[..end].parse().map_err(|_| corrupt())?;
            let was = (end < line.len()).then(|| serde_json::from_str(&line[end..])).transpose().map_err(|_| corrupt())?;
            Ok(SeenVersion { at_millis: Some(at_millis), was })
        })
        .collect()
}

/// The observations of rows that are stored for the first time.
pub fn first(rows: &RecordBatch, now_millis: i64) -> Result<RecordBatch> {
    let observed = StringArray::from_iter_values(std::iter::repeat_n(now_millis.to_string(), rows.num_rows()));
    with(rows, observed)
}

/// The rows without observations: what becomes of them is not to be kept.
pub fn none(rows: &RecordBatch) -> Result<RecordBatch> {
    with(rows, StringArray::new_null(rows.num_rows()))
}

/// The rows with these observations.
pub fn with(rows: &RecordBatch, observed: StringArray) -> Result<RecordBatch> {
    let mut columns = rows.columns().to_vec();
    columns[rows.schema().index_of(hidden::OBSERVED)?] = std::sync::Arc::new(observed);
    Ok(RecordBatch::try_new(rows.schema(), columns)?)
}

/// Compares rows of one batch with rows of another, to note what the latter changed.
pub struct Changes<'a> {
    columns: Vec<Compared<'a>>,
    before: StringArray,
}

struct Compared<'a> {
    field: &'a Field,
    before: ArrayRef,
    differ: DynComparator,
}

impl<'a> Changes<'a> {
    /// Changes from rows of `before` to rows of `after`.
    pub fn new(table: &'a Table, before: &RecordBatch, after: &RecordBatch) -> Result<Self> {
        let column =
            |batch: &RecordBatch, name: &str| -> Result<ArrayRef> { Ok(batch.column(batch.schema().index_of(name)?).clone()) };
        let mut columns = Vec::new();
        for field in table.visible() {
            let (before, after) = (column(before, &field.name)?, column(after, &field.name)?);
            let differ = make_comparator(&before, &after, SortOptions::default())?;
            columns.push(Compared { field, before, differ });
        }
        let observed = cast(&column(before, hidden::OBSERVED)?, &DataType::Utf8)?;
        Ok(Self { columns, before: observed.as_string::<i32>().clone() })
    }

    /// The observations of a row that was `before` and is `after` since now.
    pub fn noted(&self, before: usize, after: usize, now_millis: i64) -> Result<String> {
        let mut was = Map::new();
        for column in &self.columns {
            if (column.differ)(before, after).is_ne() {
                was.insert(column.field.name.to_string(), value(column.field.kind, &column.before, before)?);
            }
        }
        let mut observed = if self.before.is_valid(before) { self.before.value(before) } else { BEFORE_OBSERVING }.to_owned();
        // A change of bookkeeping only is no version anybody could have seen.
        if !was.is_empty() {
            let was = serde_json::to_string(&was).map_err(|error| Error::internal(phrase!("observations: {error}")))?;
            write!(observed, "\n{now_millis}{was}").map_err(|error| Error::internal(error.to_string()))?;
        }
        Ok(observed)
    }
}

/// A value as observations keep it: texts, truths and numbers; moments in microseconds, days since 1970.
fn value(kind: Kind, column: &ArrayRef, row: usize) -> Result<Value> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    let one = column.slice(row, 1);
    Ok(match kind {
        Kind::Bool => one.as_boolean().value(0).into(),
        Kind::Int => one.as_primitive::<Int32Type>().value(0).into(),
        Kind::Long => one.as_primitive::<Int64Type>().value(0).into(),
        Kind::Date => one.as_primitive::<Date32Type>().value(0).into(),
        Kind::Time => one.as_primitive::<TimestampMicrosecondType>().value(0).into(),
        Kind::Id | Kind::Text | Kind::Label | Kind::LabelId => cast(&one, &DataType::Utf8)?.as_string::<i32>().value(0).into(),
    })
}

/// The state of a row at a moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PastState {
    /// Not known yet, or nobody knows whether it was.
    Unknown,
    /// As it is now, but for these values.
    Known(BTreeMap<String, Value>),
}

/// The state at a moment of a row with these observations. A row without observations was never observed, so its state is
/// unknown.
pub fn then(observed: Option<&str>, at_millis: i64) -> Result<PastState> {
    let Some(observed) = observed else { return Ok(PastState::Unknown) };
    let seen = parse(observed)?;
    let known = seen.iter().filter_map(|seen| seen.at_millis).any(|seen_at| seen_at <= at_millis);
    if !known {
        return Ok(PastState::Unknown);
    }
    let mut values = BTreeMap::new();
    // Undone last first: of a column that changed twice since, the oldest value stays.
    for seen in seen.into_iter().rev().take_while(|seen| seen.at_millis.is_some_and(|seen_at| seen_at > at_millis)) {
        values.extend(seen.was.into_iter().flatten());
    }
    Ok(PastState::Known(values))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn later_lines_are_undone_last_first() {
        let observed = "100\n200{\"opened\":false,\"date_opened\":null}\n300{\"date_opened\":7}";
        let known = |text: &str| PastState::Known(serde_json::from_str(text).unwrap());
        for (at, expected) in [
            (99, PastState::Unknown),
            (100, known(r#"{"opened":false,"date_opened":null}"#)),
            (250, known(r#"{"date_opened":7}"#)),
            (300, known("{}")),
        ] {
            assert_eq!(then(Some(observed), at).unwrap(), expected, "{at}");
        }
    }

    #[test]
    fn what_was_there_before_observing_is_known_since_its_first_change() {
        let observed = "?\n200{\"opened\":false}";
        assert_eq!(then(Some(observed), 199).unwrap(), PastState::Unknown);
        assert_eq!(then(Some(observed), 200).unwrap(), PastState::Known(BTreeMap::new()));
        assert_eq!(then(None, 200).unwrap(), PastState::Unknown);
    }

    #[test]
    fn what_is_no_observation_is_refused() {
        for text in ["x", "100\nx", "100\n200{", "100\n200[]"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
