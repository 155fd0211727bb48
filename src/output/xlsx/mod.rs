//! Writes a spreadsheet: sheets of up to 1,048,575 rows, each below a bold, frozen header with a filter.
//!
//! Values that a spreadsheet would change are written as text: whole numbers of more than 15 digits, dates before March 1900, and
//! what is no number. Text is never a formula. Moments have no zone in a spreadsheet, so the header names it: `date_sent (UTC)`. A
//! text that is too long for a cell is refused, not cut. Rows wait in temporary files until the last one, because the beginning of
//! the file says how many sheets there are.
//!
//! # Decisions
//! - 2026-11-22 **A spreadsheet's moments are wall time in the zone shown, and the header names the zone.** A cell knows no
//!   zone; a text would not sort or filter as a moment.
//! - 2026-11-22 **A spreadsheet's numbers of more than 15 digits are text.** 2^53 would do for the file, but spreadsheets
//!   show and keep 15.

use std::io::{self, BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatBorder, IgnoreError, Workbook, Worksheet, XlsxError};

use self::cells::{Cell, Column};
use super::format::Options;
use super::plain::{nested_as_text, plain_schema};
use super::rows::{Pipe, Rows};
use super::width::width;
use crate::error::{Error, Result};
use crate::human;

// Converts values to cells of a spreadsheet.
mod cells;

/// Rows of a sheet, its header among them: a spreadsheet's own limit.
const SHEET_ROWS: u32 = 1_048_576;
/// Columns of a sheet, a spreadsheet's own limit.
const SHEET_COLUMNS: usize = 16_384;
/// UTF-16 units in a cell, a spreadsheet's own limit.
const CELL_UNITS: usize = 32_767;
/// Rows by which the columns' widths are measured.
const MEASURED_ROWS: u64 = 1000;
/// No column is wider, in characters.
const MAX_WIDTH: usize = 60;
/// Room for the filter's button beside a name.
const BUTTON: usize = 4;

/// The spreadsheet being written.
pub(super) struct Xlsx<'a, 'b> {
    pipe: &'a mut Pipe<'b>,
    book: Workbook,
    spill_folder: PathBuf,
    columns: Vec<Column>,
    widths: Vec<usize>,
    formats: Formats,
    sheet_rows: u32,
    sheets: usize,
    /// Of the open sheet.
    next_row: u32,
    rows: u64,
}

/// Formats of cells that differ from their column's.
struct Formats {
    header: Format,
    millis: Format,
}

impl<'a, 'b> Xlsx<'a, 'b> {
    pub(super) fn new(schema: &SchemaRef, pipe: &'a mut Pipe<'b>, options: &Options) -> Result<Self> {
        Self::with_sheets_of(SHEET_ROWS, schema, pipe, options)
    }

    fn with_sheets_of(sheet_rows: u32, schema: &SchemaRef, pipe: &'a mut Pipe<'b>, options: &Options) -> Result<Self> {
        let columns = plain_schema(schema).fields().iter().map(|field| Column::of(field, options.zone)).collect::<Vec<_>>();
        if columns.len() > SHEET_COLUMNS {
            let message = format!(
                "the answer has {}, and a sheet holds {}; select fewer",
                human::counted(columns.len() as u64, "column"),
                human::count(SHEET_COLUMNS as u64)
            );
            return Err(Error::invalid(message));
        }
        let spill_folder = options.spill_folder.clone().unwrap_or_else(std::env::temp_dir);
        let mut book = Workbook::new();
        book.set_tempdir(&spill_folder).map_err(failed)?;
        // Else the time of writing would stand in the file, and the same answer would not give the same bytes.
        let created = ExcelDateTime::from_ymd(2000, 1, 1).map_err(failed)?;
        book.set_properties(&DocProperties::new().set_creation_datetime(&created));
        let header = Format::new().set_bold().set_border_bottom(FormatBorder::Thin).set_num_format("@");
        let formats = Formats { header, millis: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss.000") };
        let widths = columns.iter().map(|column| width(&column.header) + BUTTON).collect();
        let mut xlsx = Self { pipe, book, spill_folder, columns, widths, formats, sheet_rows, sheets: 0, next_row: 0, rows: 0 };
        xlsx.open_sheet()?;
        Ok(xlsx)
    }

    fn open_sheet(&mut self) -> Result<()> {
        self.sheets += 1;
        let name = if self.sheets == 1 { "rows".to_owned() } else { format!("rows {}", self.sheets) };
        let sheet = self.book.add_worksheet_with_constant_memory().and_then(|sheet| sheet.set_name(name)).map_err(failed)?;
        for (at, column) in (0..).zip(&self.columns) {
            if let Some(format) = &column.format {
                sheet.set_column_format(at, format).map_err(failed)?;
            }
            check_length(&column.header).map_err(|error| error.context(phrase!("the name of column {}", at + 1)))?;
            sheet.write_string_with_format(0, at, &column.header, &self.formats.header).map_err(failed)?;
        }
        sheet.set_freeze_panes(1, 0).map_err(failed)?;
        self.next_row = 1;
        Ok(())
    }

    /// What a sheet says of all its rows.
    fn close_sheet(&mut self) -> Result<()> {
        let Some(last_column) = self.columns.len().checked_sub(1) else { return Ok(()) };
        let (last_row, last_column) = (self.next_row - 1, last_column as u16);
        let sheet = self.book.worksheet_from_index(self.sheets - 1).map_err(failed)?;
        sheet.autofilter(0, 0, last_row, last_column).map_err(failed)?;
        // Ids of digits are meant to be text: no green corner.
        sheet.ignore_error_range(0, 0, last_row, last_column, IgnoreError::NumberStoredAsText).map_err(failed)?;
        for (at, &width) in (0..).zip(&self.widths) {
            sheet.set_column_width(at, width.min(MAX_WIDTH) as f64 + 1.0).map_err(failed)?;
        }
        Ok(())
    }

    fn write_rows(&mut self, batch: &RecordBatch) -> Result<()> {
        let texts = nested_as_text(batch)?;
        let columns = self.columns.iter().zip(texts.columns());
        let cells = columns.map(|(column, values)| column.cells(values)).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            if self.next_row == self.sheet_rows {
                self.close_sheet()?;
                self.open_sheet()?;
            }
            self.rows += 1;
            let sheet = self.book.worksheet_from_index(self.sheets - 1).map_err(failed)?;
            for (at, cells) in cells.iter().enumerate() {
                let named =
                    |error: Error| error.context(phrase!("column {}, row {}", self.columns[at].name, human::count(self.rows)));
                let cell = cells.at(row).map_err(named)?;
                if self.rows <= MEASURED_ROWS {
                    self.widths[at] = self.widths[at].max(cell.width());
                }
                put(sheet, self.next_row, at as u16, cell, &self.formats).map_err(named)?;
            }
            self.next_row += 1;
        }
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        self.close_sheet()?;
        let once = Once { pipe: &mut *self.pipe, failed: false };
        let mut buffered = BufWriter::with_capacity(1 << 16, once);
        self.book.save_to_writer(&mut buffered).map_err(failed)?;
        Ok(buffered.flush()?)
    }

    /// The library panics where it cannot write its temporary file, on a full disk say: that is an error like others.
    fn guarded(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|panic| {
            let reason = panic.downcast_ref::<String>().map_or("it panicked", String::as_str);
            let folder = self.spill_folder.display();
            Err(Error::unavailable(phrase!("cannot write the spreadsheet ({reason}); is there room in the folder {folder}?")))
        })
    }
}

impl Rows for Xlsx<'_, '_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.guarded(|xlsx| xlsx.write_rows(batch))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.guarded(Self::save)
    }
}

/// Fails once, then lets everything vanish: the library closes the archive even after an error, and complains aloud when it
/// cannot.
struct Once<'a, 'b> {
    pipe: &'a mut Pipe<'b>,
    failed: bool,
}

impl Write for Once<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed {
            return Ok(bytes.len());
        }
        let outcome = self.pipe.write(bytes);
        self.failed = outcome.is_err();
        outcome
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failed { Ok(()) } else { self.pipe.flush() }
    }
}

fn put(sheet: &mut Worksheet, row: u32, column: u16, cell: Cell<'_>, formats: &Formats) -> Result<()> {
    let written = match cell {
        Cell::Empty => return Ok(()),
        Cell::Number(number) => sheet.write_number(row, column, number),
        Cell::Moment { serial, millis: true } => sheet.write_number_with_format(row, column, serial, &formats.millis),
        Cell::Moment { serial, millis: false } => sheet.write_number(row, column, serial),
        Cell::Truth(truth) => sheet.write_boolean(row, column, truth),
        Cell::Text(text) => {
            check_length(&text)?;
            sheet.write_string(row, column, text)
        }
    };
    written.map(|_| ()).map_err(failed)
}

fn check_length(text: &str) -> Result<()> {
    // Bytes are never fewer than UTF-16 units.
    let units = if text.len() > CELL_UNITS { text.encode_utf16().count() } else { 0 };
    if units <= CELL_UNITS {
        return Ok(());
    }
    Err(Error::invalid(phrase!(
        "a text of {} characters, and a spreadsheet's cell holds {}; shorten it, such as with left(…, {CELL_UNITS}), or write another \
         format",
        human::count(units as u64),
        human::count(CELL_UNITS as u64)
    )))
}

fn failed(error: XlsxError) -> Error {
    match error {
        XlsxError::IoError(error) | XlsxError::ZipError(zip::result::ZipError::Io(error)) => error.into(),
        XlsxError::TempFileError(folder, error) => {
            Error::from(error).context(phrase!("cannot write a temporary file in {}", folder.display()))
        }
        error => Error::internal(phrase!("cannot write the spreadsheet: {error}")).with_source(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
