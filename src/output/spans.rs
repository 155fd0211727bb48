//! Converts intervals to the text that Postgres writes, `1 day 04:42:24`, where Arrow would write `PT103344S`.
//!
//! It serves formats of text or cells; Parquet and Arrow keep the type.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, DurationMicrosecondType, Field, IntervalMonthDayNanoType, IntervalUnit, Schema, SchemaRef, TimeUnit,
};

use super::rows::Rows;
use crate::error::Result;

const SECOND_MICROS: i64 = 1_000_000;
const DAY_MICROS: i64 = 86_400 * SECOND_MICROS;

fn is_span(kind: &DataType) -> bool {
    matches!(kind, DataType::Duration(_) | DataType::Interval(_))
}

/// The schema with texts for spans; none where there is no span.
pub(super) fn without_spans(schema: &Schema) -> Option<SchemaRef> {
    let fields = schema.fields().iter();
    let as_text = fields.map(|field| match is_span(field.data_type()) {
        true => Arc::new(Field::new(field.name(), DataType::Utf8, true)),
        false => field.clone(),
    });
    schema.fields().iter().any(|field| is_span(field.data_type())).then(|| Arc::new(Schema::new(as_text.collect::<Vec<_>>())))
}

/// A format that is given texts for spans.
pub(super) struct SpansAsText<'a> {
    pub(super) inner: Box<dyn Rows + 'a>,
    pub(super) schema: SchemaRef,
}

impl Rows for SpansAsText<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch.columns().iter().map(as_text).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        self.inner.write(&RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.inner.finish()
    }
}

fn as_text(column: &ArrayRef) -> Result<ArrayRef> {
    let texts: StringArray = match column.data_type() {
        DataType::Duration(_) => {
            let spans = cast(column, &DataType::Duration(TimeUnit::Microsecond))?;
            spans.as_primitive::<DurationMicrosecondType>().iter().map(|micros| micros.map(|micros| span(0, 0, micros))).collect()
        }
        DataType::Interval(_) => {
            let spans = cast(column, &DataType::Interval(IntervalUnit::MonthDayNano))?;
            let spans = spans.as_primitive::<IntervalMonthDayNanoType>();
            spans.iter().map(|one| one.map(|one| span(one.months, one.days, one.nanoseconds / 1_000))).collect()
        }
        _ => return Ok(column.clone()),
    };
    Ok(Arc::new(texts))
}

/// A span in words: years, months and days that are not 0, and the clock, where there is one or nothing else.
fn span(months: i32, days: i32, micros: i64) -> String {
    let (days, micros) = (i64::from(days) + micros / DAY_MICROS, micros % DAY_MICROS);
    let mut words = Vec::new();
    for (count, one, many) in
        [(i64::from(months / 12), "year", "years"), (i64::from(months % 12), "mon", "mons"), (days, "day", "days")]
    {
        match count {
            0 => {}
            1 => words.push(format!("1 {one}")),
            count => words.push(format!("{count} {many}")),
        }
    }
    if micros != 0 || words.is_empty() {
        let (sign, seconds, rest) =
            (if micros < 0 { "-" } else { "" }, micros.abs() / SECOND_MICROS, micros.abs() % SECOND_MICROS);
        let clock = format!("{sign}{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
        let fraction = format!(".{rest:06}");
        words.push(if rest == 0 { clock } else { clock + fraction.trim_end_matches('0') });
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_written_as_postgres_writes_them() {
        for (months, days, micros, text) in [
            (0, 0, 103_344 * SECOND_MICROS, "1 day 04:42:24"),
            (0, 0, 0, "00:00:00"),
            (0, 0, 1_500_000, "00:00:01.5"),
            (0, 0, -103_344 * SECOND_MICROS, "-1 days -04:42:24"),
            (14, 3, 0, "1 year 2 mons 3 days"),
            (0, 30, 60 * SECOND_MICROS, "30 days 00:01:00"),
        ] {
            assert_eq!(span(months, days, micros), text);
        }
    }
}
