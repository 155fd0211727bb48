//! `ier inspect`: what a load would make of files, without storing anything: tables, readings, columns and first rows.

use std::collections::BTreeMap;
use std::fmt;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{cast, max, min};
use arrow::datatypes::{DataType, Date32Type, Int32Type, TimestampMicrosecondType};
use serde::Serialize;
use serde_json::Value;

use super::export::{self, Export, HeaderUse, Next, Piece, ReadOptions};
use super::inputs::Input;
use super::moments::iso;
use super::reading::Reading;
use super::reject::Reject;
use crate::error::{Error, Result};
use crate::human;
use crate::record::fields::{CUSTOM, Source, Table};

/// Rows shown of each export.
const ROWS_SHOWN: usize = 3;
/// Letters shown of a value, for people.
const VALUE_CHARS: usize = 36;
/// Refused rows whose reasons are shown.
const REASONS_SHOWN: usize = 5;

/// The report on some files.
#[derive(Debug, Default, Serialize)]
pub struct Inspection {
    /// One for each export.
    pub exports: Vec<Inspected>,
    /// In place of these stands that there is nothing.
    pub empty: Vec<String>,
    /// What would not be read, and why.
    pub left_out: BTreeMap<String, String>,
    /// Files that a load would refuse, and with it all others: what it would say.
    pub refused: BTreeMap<String, String>,
}

/// One export.
#[derive(Debug, Serialize)]
pub struct Inspected {
    /// The file, or `file!member`.
    pub file: String,
    /// Its table.
    pub table: String,
    /// What shows that it is this table.
    pub why: &'static str,
    /// How it is read.
    pub reading: Reading,
    /// Rows it has.
    pub rows: u64,
    /// Of these, rows that would be refused.
    pub rejected: u64,
    /// Rows in whose texts bytes that are no characters would be replaced.
    pub repaired: u64,
    /// Lines behind the rows, which are none.
    pub trailing: u64,
    /// Repetitions of the header.
    pub headers_again: u64,
    /// By header, in the file's order.
    pub columns: Vec<Column>,
    /// What is assumed or odd.
    pub notes: Vec<String>,
    /// Lines that would be refused, with reasons, the first of them.
    pub reasons: Vec<(u64, String)>,
    /// The first rows as they would be stored.
    pub first: Vec<BTreeMap<String, Value>>,
}

/// A header, and what becomes of it.
#[derive(Debug, Serialize)]
pub struct Column {
    /// As it stands in the file.
    pub header: String,
    /// The column it fills; `custom` where the table has none for it; nothing where it is left out.
    pub column: Option<String>,
    /// Rows without a value, where that was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nulls: Option<u64>,
    /// The least value of times, days and numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least: Option<String>,
    /// The greatest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub greatest: Option<String>,
}

/// Looks at files as a load would read them. Stores nothing.
///
/// # Errors
/// Unavailable when a file cannot be read. What a load would refuse is reported, and is no error.
pub fn inspect(inputs: Vec<Input>, options: &ReadOptions) -> Result<Inspection> {
    let options = ReadOptions { whole: true, ..options.clone() };
    let mut found = Inspection::default();
    for mut input in inputs {
        input.keep()?;
        if let Err(error) = look(&input, &options, &mut found) {
            let why = error.to_string();
            let why = why.strip_prefix(&format!("{}: ", input.name)).map(str::to_owned).unwrap_or(why);
            found.refused.insert(input.name.clone(), why);
        }
    }
    Ok(found)
}

fn look(input: &Input, options: &ReadOptions, found: &mut Inspection) -> Result<()> {
    let mut opened = export::open(input, options)?;
    while let Some(piece) = opened.next_piece()? {
        match piece {
            Piece::Export(export) => found.exports.push(read(export)?),
            Piece::LeftOut(name, why) => drop(found.left_out.insert(name, why)),
            Piece::Nothing(name) => found.empty.push(name),
        }
    }
    Ok(())
}

fn read(mut export: Export) -> Result<Inspected> {
    let table = export.table.clone();
    let mut rejects: Vec<Reject> = Vec::new();
    let mut columns: BTreeMap<String, ValueRange> = BTreeMap::new();
    // Of the org's own fields, by name: rows that have a value in it; and all rows.
    let (mut own, mut taken): (BTreeMap<String, u64>, u64) = Default::default();
    let mut first = Vec::new();
    let (mut rejected, mut reasons) = (0, Vec::new());
    loop {
        let next = export.next(&mut rejects)?;
        rejected += rejects.len() as u64;
        reasons.extend(
            rejects.drain(..).map(|reject| (reject.line, reject.reason)).take(REASONS_SHOWN - reasons.len().min(REASONS_SHOWN)),
        );
        let batch = match next {
            Next::Rows(batch) => batch,
            Next::End => break,
            Next::Otherwise => return Err(Error::internal(phrase!("{} changed while it was read", export.name))),
        };
        for field in table.exported() {
            let Some(column) = batch.column_by_name(&field.name) else { continue };
            columns.entry(field.name.to_string()).or_default().take_in(column);
        }
        taken += batch.num_rows() as u64;
        if let Some(custom) = batch.column_by_name(CUSTOM) {
            filled_own(custom, &mut own)?;
        }
        if first.len() < ROWS_SHOWN {
            first.extend(shown(&table, &batch, ROWS_SHOWN - first.len())?);
        }
    }
    let irregularities = export.irregularities();
    let columns = export.headers.iter().map(|(header, header_use)| {
        let header = header.clone();
        match header_use {
            HeaderUse::Nothing => Column { header, column: None, nulls: None, least: None, greatest: None },
            HeaderUse::Custom => {
                let nulls = Some(taken - own.get(&header).copied().unwrap_or(0).min(taken));
                Column { header, column: Some(CUSTOM.to_owned()), nulls, least: None, greatest: None }
            }
            HeaderUse::Column(name) => {
                let seen = columns.get(name).cloned().unwrap_or_default();
                let ValueRange { nulls, least, greatest } = seen;
                let text = |value: Option<RangeEnd>| value.map(|(value, text)| text(value));
                Column { header, column: Some(name.clone()), nulls: Some(nulls), least: text(least), greatest: text(greatest) }
            }
        }
    });
    let columns = columns.collect();
    Ok(Inspected {
        file: export.name.clone(),
        table: table.name.to_string(),
        why: export.why,
        reading: export.reading().clone(),
        rows: export.rows_read(),
        rejected,
        repaired: irregularities.repaired,
        trailing: irregularities.trailing,
        headers_again: irregularities.headers,
        columns,
        notes: export.notes(),
        reasons,
        first,
    })
}

/// Counts the rows that have a value in each of the org's own fields.
fn filled_own(custom: &ArrayRef, own: &mut BTreeMap<String, u64>) -> Result<()> {
    use arrow::array::AsArray;
    let Some(custom) = custom.as_dictionary_opt::<Int32Type>() else { return Ok(()) };
    let mut rows = vec![0u64; custom.values().len()];
    for key in custom.keys().iter().flatten() {
        if let Some(rows) = usize::try_from(key).ok().and_then(|key| rows.get_mut(key)) {
            *rows += 1;
        }
    }
    let texts = cast(custom.values(), &DataType::Utf8)?;
    for (text, rows) in texts.as_string::<i32>().iter().zip(rows) {
        let fields = text.map(serde_json::from_str::<serde_json::Map<String, Value>>).transpose();
        let fields = fields.map_err(|error| Error::internal("own fields are no JSON").with_source(error))?;
        for (name, _) in fields.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            *own.entry(name).or_default() += rows;
        }
    }
    Ok(())
}

/// A value as a number, and the way to write it.
type RangeEnd = (i64, fn(i64) -> String);

/// The values seen in a column.
#[derive(Clone, Default)]
struct ValueRange {
    nulls: u64,
    least: Option<RangeEnd>,
    greatest: Option<RangeEnd>,
}

impl ValueRange {
    fn take_in(&mut self, column: &ArrayRef) {
        use arrow::array::AsArray;
        self.nulls += column.null_count() as u64;
        let moment: fn(i64) -> String = |micros| {
            chrono::DateTime::from_timestamp_micros(micros)
                .map_or_else(String::new, |moment| moment.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
        };
        let day: fn(i64) -> String = |days| i32::try_from(days).map_or_else(|_| String::new(), iso);
        let number: fn(i64) -> String = |number| number.to_string();
        let (least, greatest, text) = if let Some(column) = column.as_primitive_opt::<TimestampMicrosecondType>() {
            (min(column), max(column), moment)
        } else if let Some(column) = column.as_primitive_opt::<Date32Type>() {
            (min(column).map(i64::from), max(column).map(i64::from), day)
        } else if let Some(column) = column.as_primitive_opt::<Int32Type>() {
            (min(column).map(i64::from), max(column).map(i64::from), number)
        } else {
            return;
        };
        let better = |kept: Option<RangeEnd>, new: Option<i64>, is_better: fn(i64, i64) -> bool| match (kept, new) {
            (Some(kept), Some(new)) if !is_better(new, kept.0) => Some(kept),
            (kept, None) => kept,
            (_, Some(new)) => Some((new, text)),
        };
        self.least = better(self.least, least, |new, kept| new < kept);
        self.greatest = better(self.greatest, greatest, |new, kept| new > kept);
    }
}

/// The first rows of a batch, by column; columns without value are left out, and so is the engine's bookkeeping.
fn shown(table: &Table, batch: &RecordBatch, rows: usize) -> Result<Vec<BTreeMap<String, Value>>> {
    let names: Vec<&str> =
        table.fields.iter().filter(|field| field.source != Source::Hidden).map(|field| field.name.as_ref()).collect();
    let places: Vec<usize> = names.iter().filter_map(|name| batch.schema().index_of(name).ok()).collect();
    let rows = batch.slice(0, rows.min(batch.num_rows())).project(&places)?;
    let mut writer = arrow::json::ArrayWriter::new(Vec::new());
    writer.write(&rows)?;
    writer.finish()?;
    serde_json::from_slice(&writer.into_inner()).map_err(|error| Error::internal("rows are no JSON").with_source(error))
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for export in &self.exports {
            writeln!(f, "{export}")?;
        }
        for name in &self.empty {
            writeln!(f, "{name}\n  says that there is nothing: no rows\n")?;
        }
        for (name, why) in &self.left_out {
            writeln!(f, "{name}\n  would not be read: {why}\n")?;
        }
        for (name, why) in &self.refused {
            writeln!(f, "{name}\n  would be refused, and everything loaded with it: {why}\n")?;
        }
        write!(f, "Nothing was stored.")
    }
}

impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n  table    {} ({})\n  read as  {}", self.file, self.table, self.why, self.reading)?;
        write!(f, "  rows     {}", human::count(self.rows))?;
        for (number, what) in [
            (self.rejected, "would be rejected"),
            (self.repaired, "with bytes that are no letters"),
            (self.trailing, "lines behind the table, which are none"),
            (self.headers_again, "repetitions of the header"),
        ] {
            if number > 0 {
                write!(f, ", {} {what}", human::count(number))?;
            }
        }
        writeln!(f)?;
        let width = self.columns.iter().map(|column| column.header.chars().count()).max().unwrap_or(0).min(44);
        let name = |column: &Column| column.column.clone().unwrap_or_else(|| "(left out: a tool's own)".to_owned());
        let names = self.columns.iter().map(|column| name(column).chars().count()).max().unwrap_or(0);
        writeln!(f, "  {:width$}  {:names$}  {:>9}  values", "header", "column", "empty")?;
        for column in &self.columns {
            let empty = column.nulls.map_or_else(String::new, human::count);
            let values = match (&column.least, &column.greatest) {
                (Some(least), Some(greatest)) if least != greatest => format!("{least} to {greatest}"),
                (Some(only), _) => only.clone(),
                _ => String::new(),
            };
            let line = format!("  {:width$}  {:names$}  {empty:>9}  {values}", column.header.trim(), name(column));
            writeln!(f, "{}", line.trim_end())?;
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        for (line, reason) in &self.reasons {
            writeln!(f, "  {} {line} would be rejected: {reason}", self.reading.place())?;
        }
        self.rows_as_stored(f)
    }
}

impl Inspected {
    /// The first rows, side by side: the columns of the file in its order, then those that follow from them.
    fn rows_as_stored(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first.is_empty() {
            return Ok(());
        }
        let mut names: Vec<&str> = Vec::new();
        let loaded = self.columns.iter().filter_map(|column| column.column.as_deref());
        for name in loaded.chain(self.first.iter().flat_map(|row| row.keys().map(String::as_str))) {
            if !names.contains(&name) && self.first.iter().any(|row| row.contains_key(name)) {
                names.push(name);
            }
        }
        let cells = |name: &str| self.first.iter().map(|row| row.get(name).map_or_else(String::new, plain)).collect::<Vec<_>>();
        let rows: Vec<(&str, Vec<String>)> = names.iter().map(|name| (*name, cells(name))).collect();
        let title = "as stored";
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(title.len());
        let widths: Vec<usize> = (0..self.first.len())
            .map(|at| rows.iter().map(|(_, cells)| cells[at].chars().count()).max().unwrap_or(0).max("row 1".len()))
            .collect();
        let titles = (1..=self.first.len()).map(|at| format!("row {at}")).collect();
        for (name, cells) in std::iter::once((title, titles)).chain(rows) {
            let cells: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            writeln!(f, "{}", format!("  {name:width$}  {}", cells.join("  ")).trim_end())?;
        }
        Ok(())
    }
}

/// A value for people: of a long one the beginning, on one line.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned).replace(['\n', '\r', '\t'], " ");
    match text.char_indices().nth(VALUE_CHARS) {
        Some(_) => text.chars().take(VALUE_CHARS - 1).chain(['\u{2026}']).collect(),
        None => text,
    }
}
