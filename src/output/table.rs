//! A table for people: aligned columns, one line a row.
//!
//! Column widths come from the first rows and then hold, so that the rest can stream; a later cell that is wider pushes its
//! line, nothing is lost. What a terminal would obey (control characters in a subject line, say) is not let through.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono_tz::Tz;

use crate::error::Result;
use crate::human::{self, harmless, printable};

use super::format::Options;
use super::plain::is_utc;
use super::rows::{Pipe, Rows};
use super::width::{cut, width};

/// Rows gathered to measure the columns.
const MEASURED_ROWS: usize = 1000;
/// A cell wider than this is cut.
const MAX_CELL: usize = 60;

/// The table being written.
pub(super) struct Table<'a, 'b> {
    schema: SchemaRef,
    pipe: &'a mut Pipe<'b>,
    options: Options,
    /// Rows waiting for the widths.
    waiting: Vec<Vec<String>>,
    /// Known once the header is out.
    widths: Option<Vec<usize>>,
    shown: usize,
    rows: u64,
    /// The answer is a query plan: lines of text that would mean nothing cut and joined.
    plan: bool,
}

impl<'a, 'b> Table<'a, 'b> {
    pub(super) fn new(schema: SchemaRef, pipe: &'a mut Pipe<'b>, options: &Options) -> Self {
        let plan = schema.fields().iter().map(|field| field.name().as_str()).eq(["plan_type", "plan"]);
        Self { schema, pipe, options: options.clone(), waiting: Vec::new(), widths: None, shown: 0, rows: 0, plan }
    }

    /// Measures what waits, and prints header and rows.
    fn release(&mut self) -> Result<()> {
        let headers: Vec<String> = self.schema.fields().iter().map(|field| cell(field.name(), field.data_type())).collect();
        let mut widths: Vec<usize> = headers.iter().map(|header| width(header)).collect();
        for row in &self.waiting {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = (*widest).max(width(cell));
            }
        }
        let mut text = String::new();
        if !headers.is_empty() {
            // Headers stand over their column, whichever way it is aligned.
            self.line(&mut text, &headers, &widths);
            let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width + 2)).collect();
            text.push_str(&rule.join("+"));
            text.push('\n');
        }
        for row in std::mem::take(&mut self.waiting) {
            self.line(&mut text, &row, &widths);
        }
        self.pipe.write_all(text.as_bytes())?;
        self.widths = Some(widths);
        Ok(())
    }

    fn write_plan(&mut self, batch: &RecordBatch) -> Result<()> {
        let texts: Vec<ArrayRef> =
            batch.columns().iter().map(|column| cast(column, &DataType::Utf8)).collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            let text = |column: usize| texts[column].as_string::<i32>().value(row);
            writeln!(self.pipe, "{}\n{}", harmless(text(0)), harmless(text(1)))?;
        }
        Ok(())
    }

    fn line(&self, text: &mut String, row: &[String], widths: &[usize]) {
        let start = text.len();
        for (column, (cell, &wide)) in row.iter().zip(widths).enumerate() {
            text.push_str(if column == 0 { " " } else { " | " });
            let blank = " ".repeat(wide.saturating_sub(width(cell)));
            let right = is_number(self.schema.field(column).data_type());
            let (before, after) = if right { (blank.as_str(), "") } else { ("", blank.as_str()) };
            text.push_str(before);
            text.push_str(cell);
            text.push_str(after);
        }
        text.truncate(text.trim_end_matches(' ').len().max(start));
        text.push('\n');
    }
}

impl Rows for Table<'_, '_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        if self.plan {
            return self.write_plan(batch);
        }
        let wanted = batch.num_rows().min(self.options.max_rows_table - self.shown);
        if wanted == 0 || batch.num_columns() == 0 {
            return Ok(());
        }
        let batch = batch.slice(0, wanted);
        let columns = batch.columns().iter().map(|column| cells(column, self.options.zone)).collect::<Result<Vec<_>>>()?;
        let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
        let rows = (0..wanted).map(|_| columns.iter_mut().filter_map(Iterator::next).collect::<Vec<String>>());
        self.shown += wanted;
        match &self.widths {
            Some(widths) => {
                let mut text = String::new();
                rows.for_each(|row| self.line(&mut text, &row, widths));
                self.pipe.write_all(text.as_bytes())?;
                Ok(self.pipe.flush()?)
            }
            None => {
                self.waiting.extend(rows);
                if self.waiting.len() >= MEASURED_ROWS { self.release() } else { Ok(()) }
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if self.plan {
            return Ok(self.pipe.flush()?);
        }
        if self.widths.is_none() {
            self.release()?;
        }
        let hidden = self.rows > self.shown as u64 && !self.schema.fields().is_empty();
        let shown = if hidden { format!(", the first {} shown", human::count(self.shown as u64)) } else { String::new() };
        writeln!(self.pipe, "({}{shown})", human::counted(self.rows, "row"))?;
        Ok(self.pipe.flush()?)
    }
}

/// A column's cells as shown; null is empty.
fn cells(column: &ArrayRef, zone: Option<Tz>) -> Result<Vec<String>> {
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

/// One value as shown: on one line, obeyed by no terminal, not too wide. Numbers are never cut.
fn cell(value: &str, kind: &DataType) -> String {
    match kind {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => rounded(value),
        kind if is_number(kind) => value.to_owned(),
        _ => cut(&printable(value), MAX_CELL),
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

fn is_number(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_number(values),
        kind => kind.is_numeric(),
    }
}
