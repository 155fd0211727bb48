//! Writes a table for people: aligned columns with a row a line, or records with a column a line.
//!
//! Column widths come from the first rows and then stay, so that the rest can stream. A later cell that is wider shifts its line;
//! nothing is cut. In a terminal a table is made to fit: its last columns are left out and named, or it is shown as records.
//! Control characters in values, which a terminal would obey, are replaced.

use std::io::Write;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};

use crate::error::Result;
use crate::human::{self, harmless};

use super::cells::{cell, cells, is_number};
use super::format::{Layout, Options};
use super::rows::{Pipe, Rows};
use super::width::{cut, width};

/// Rows gathered to measure the columns.
const MEASURED_ROWS: usize = 1000;
/// A cell wider than this is cut.
const MAX_CELL: usize = 60;
/// Where the terminal is too narrow for all columns, texts are cut to this first.
const NARROW_CELL: usize = 24;

/// The layout of the rows, once it is known.
enum TableLayout {
    /// In columns of these widths: the first so many of all.
    Columns(Vec<usize>),
    /// Row by row, names of this width before the values.
    Records(usize),
}

/// The table being written.
pub(super) struct Table<'a, 'b> {
    schema: SchemaRef,
    pipe: &'a mut Pipe<'b>,
    options: Options,
    /// Show records whatever the width.
    records: bool,
    /// Rows waiting for the widths.
    waiting: Vec<Vec<String>>,
    /// Known once the first rows are out.
    table_layout: Option<TableLayout>,
    /// Of each column, places its numbers take from the decimal point on, so that the points stand below each other.
    decimals: Vec<usize>,
    shown: usize,
    rows: u64,
    /// The answer is a query plan: lines of text that would mean nothing cut and joined.
    plan: bool,
}

impl<'a, 'b> Table<'a, 'b> {
    pub(super) fn new(schema: SchemaRef, pipe: &'a mut Pipe<'b>, options: &Options) -> Self {
        let plan = schema.fields().iter().map(|field| field.name().as_str()).eq(["plan_type", "plan"]);
        let (options, waiting) = (options.clone(), Vec::new());
        Self { schema, pipe, options, records: false, waiting, table_layout: None, decimals: Vec::new(), shown: 0, rows: 0, plan }
    }

    /// Records, whatever their width.
    pub(super) fn of_records(schema: SchemaRef, pipe: &'a mut Pipe<'b>, options: &Options) -> Self {
        Self { records: true, ..Self::new(schema, pipe, options) }
    }

    fn headers(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| cell(field.name(), field.data_type())).collect()
    }

    /// Of numbers with fractions, the most places from the point on among the rows that wait.
    fn measured_decimals(&self) -> Vec<usize> {
        let is_fraction = |column: usize| matches!(self.schema.field(column).data_type(), DataType::Float32 | DataType::Float64);
        let most = |column: usize| self.waiting.iter().map(|row| fraction(&row[column])).max().unwrap_or(0);
        (0..self.schema.fields().len()).map(|column| if is_fraction(column) { most(column) } else { 0 }).collect()
    }

    /// A cell of a column of numbers, with blanks in the places of the decimals it does not have.
    fn pointed(&self, cell: &str, column: usize) -> String {
        let missing = self.decimals.get(column).map_or(0, |most| most.saturating_sub(fraction(cell)));
        if cell.is_empty() { String::new() } else { format!("{cell}{}", " ".repeat(missing)) }
    }

    /// How the rows are to be laid out, from those that wait.
    fn layout(&self, headers: &[String]) -> TableLayout {
        let widest = |most: usize| -> Vec<usize> {
            let mut widths: Vec<usize> = headers.iter().map(|header| width(header)).collect();
            for row in &self.waiting {
                for (column, cell) in row.iter().enumerate() {
                    widths[column] = widths[column].max(self.width_of(cell, column, most));
                }
            }
            widths
        };
        let names = headers.iter().map(|header| width(header)).max().unwrap_or(0);
        let whole = widest(MAX_CELL);
        match self.options.layout {
            _ if self.records => TableLayout::Records(names),
            Layout::Whole => TableLayout::Columns(whole),
            _ if line_width(&whole) <= self.options.terminal_columns => TableLayout::Columns(whole),
            Layout::RecordsIfWide => TableLayout::Records(names),
            Layout::Fitting => {
                let mut narrow = widest(NARROW_CELL);
                while narrow.len() > 1 && line_width(&narrow) > self.options.terminal_columns {
                    narrow.pop();
                }
                TableLayout::Columns(narrow)
            }
        }
    }

    fn width_of(&self, cell: &str, column: usize, most: usize) -> usize {
        // Numbers are never cut.
        let is_number = is_number(self.schema.field(column).data_type());
        if is_number { width(&self.pointed(cell, column)) } else { width(cell).min(most) }
    }

    /// Measures what waits, and prints header and rows.
    fn release(&mut self) -> Result<()> {
        let headers = self.headers();
        self.decimals = self.measured_decimals();
        let table_layout = self.layout(&headers);
        let mut text = String::new();
        if let (TableLayout::Columns(widths), false) = (&table_layout, headers.is_empty()) {
            // Headers stand over their column, whichever way it is aligned.
            self.line(&mut text, &headers, widths, true);
            let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width + 2)).collect();
            text.push_str(&rule.join("+"));
            text.push('\n');
        }
        let rows = std::mem::take(&mut self.waiting);
        let first = self.shown - rows.len();
        self.put(&mut text, &rows, first, &table_layout);
        self.pipe.write_all(text.as_bytes())?;
        self.table_layout = Some(table_layout);
        Ok(())
    }

    /// Rows as they are laid out; `first` is how many were before them.
    fn put(&self, text: &mut String, rows: &[Vec<String>], first: usize, table_layout: &TableLayout) {
        for (at, row) in rows.iter().enumerate() {
            match table_layout {
                TableLayout::Columns(widths) => self.line(text, row, widths, false),
                TableLayout::Records(names) => self.record(text, row, first + at + 1, *names),
            }
        }
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

    fn line(&self, text: &mut String, row: &[String], widths: &[usize], is_head: bool) {
        let start = text.len();
        let is_fitted = self.options.layout == Layout::Fitting;
        for (column, (cell, &wide)) in row.iter().zip(widths).enumerate() {
            text.push_str(if column == 0 { " " } else { " | " });
            let right = is_number(self.schema.field(column).data_type());
            let cell = match (right, is_fitted) {
                (true, _) if is_head => cell.clone(),
                (true, _) => self.pointed(cell, column),
                (false, true) => cut(cell, wide.max(1)),
                (false, false) => cut(cell, MAX_CELL),
            };
            let blank = " ".repeat(wide.saturating_sub(width(&cell)));
            let (before, after) = if right { (blank.as_str(), "") } else { ("", blank.as_str()) };
            text.push_str(before);
            text.push_str(&cell);
            text.push_str(after);
        }
        text.truncate(text.trim_end_matches(' ').len().max(start));
        text.push('\n');
    }

    /// One row, a line a column; nothing is cut.
    fn record(&self, text: &mut String, row: &[String], number: usize, names: usize) {
        let title = format!("-[ RECORD {number} ]");
        let rule = (names + 1).saturating_sub(title.len());
        text.push_str(&format!("{title}{}+{}\n", "-".repeat(rule), "-".repeat(20)));
        for (field, cell) in self.schema.fields().iter().zip(row) {
            let name = human::printable(field.name());
            let blank = " ".repeat(names.saturating_sub(width(&name)));
            text.push_str(format!("{name}{blank} | {cell}").trim_end());
            text.push('\n');
        }
    }

    /// What is said of columns that were left out.
    fn left_out(&self) -> Option<String> {
        let Some(TableLayout::Columns(widths)) = &self.table_layout else { return None };
        let left_out: Vec<String> =
            self.schema.fields().iter().skip(widths.len()).map(|field| human::printable(field.name())).collect();
        if left_out.is_empty() {
            return None;
        }
        let columns = human::counted(left_out.len() as u64, "column");
        let named = cut(&left_out.join(", "), self.options.terminal_columns.saturating_sub(1));
        Some(format!("({columns} left out; --format record, or \\x in the shell, shows them)\n {named}"))
    }
}

/// Places a number takes from its decimal point on; none without one.
fn fraction(cell: &str) -> usize {
    cell.find('.').map_or(0, |point| cell.len() - point)
}

/// Places a line of columns takes.
fn line_width(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + 1 + 3 * widths.len().saturating_sub(1)
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
        let rows: Vec<Vec<String>> = (0..wanted).map(|_| columns.iter_mut().filter_map(Iterator::next).collect()).collect();
        let first = self.shown;
        self.shown += wanted;
        match &self.table_layout {
            Some(table_layout) => {
                let mut text = String::new();
                self.put(&mut text, &rows, first, table_layout);
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
        if self.table_layout.is_none() {
            self.release()?;
        }
        let hidden = self.rows > self.shown as u64 && !self.schema.fields().is_empty();
        let shown = if hidden { format!(", the first {} shown", human::count(self.shown as u64)) } else { String::new() };
        if let Some(left_out) = self.left_out() {
            writeln!(self.pipe, "{left_out}")?;
        }
        writeln!(self.pipe, "({}{shown})", human::counted(self.rows, "row"))?;
        Ok(self.pipe.flush()?)
    }
}
