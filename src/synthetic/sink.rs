//! Writes IERs and links: as CSV in some tool's style, or as Parquet for large amounts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Int32Builder, RecordBatch, StringBuilder, StringDictionaryBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{Field as ArrowField, Int32Type, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::cell::{Cell, ExportStyle};
use super::file::{Csv, Part, Wrap};
use super::recipe::{Format, MadeFile};
use crate::error::{Context, Error, Result};
use crate::record::fields::{Kind, Table, UTC, known};

/// Rows of a Parquet batch.
const BATCH_ROWS: usize = 8_192;
/// Rows of a Parquet row group: bounds what a writer holds in memory to some tens of MB.
const GROUP_ROWS: usize = 262_144;
/// The org's own field that some exports carry.
const EXTRA_HEADER: &str = "Region__c";

/// The table of this name.
pub fn table_of(name: &str) -> Result<&'static Table> {
    known(name).map(Arc::as_ref).ok_or_else(|| Error::internal(phrase!("there is no table {name}")))
}

/// What may be peculiar about a CSV, beside its habit.
#[derive(Clone, Copy, Debug, Default)]
pub struct CsvQuirks {
    /// A column nobody knows.
    pub extra: bool,
    /// Empty fields of lookups and moments say `#N/A`.
    pub not_applicable: bool,
}

/// A way to make a row unreadable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Corruption {
    /// An id of 17 characters.
    ShortId,
    /// A contact whose checksum is wrong.
    Checksum,
    /// A day no calendar has.
    BadDate,
}

impl Corruption {
    /// Every way, each used once a recipe.
    pub const ALL: [Self; 3] = [Self::ShortId, Self::Checksum, Self::BadDate];

    fn value(self, column: &str, cell: Cell<'_>) -> Option<String> {
        match (self, column, cell) {
            (Self::ShortId, "ier_id", Cell::Id(id)) => Some(id.as_str()[..17].to_owned()),
            (Self::Checksum, "contact_id", Cell::Id(id)) => Some(format!("{}999", id.as_str15())),
            (Self::BadDate, "date_sent", _) => Some("2026-13-45T12:00:00.000Z".to_owned()),
            _ => None,
        }
    }
}

/// A row of a table: its value in each column.
pub trait Row {
    /// The value in this column of ours.
    fn cell(&self, column: &str) -> Cell<'_>;
}

impl Row for super::ier::Ier<'_> {
    fn cell(&self, column: &str) -> Cell<'_> {
        Self::cell(self, column)
    }
}

impl Row for super::ier::Link<'_> {
    fn cell(&self, column: &str) -> Cell<'_> {
        Self::cell(self, column)
    }
}

/// A file of rows of one table.
pub enum Sink {
    /// Text.
    Csv(Box<CsvSink>),
    /// Columns.
    Parquet(Box<ParquetSink>),
}

impl Sink {
    /// Begins `{stem}.csv.gz` or `{stem}.parquet` with all columns of the table.
    pub fn create(
        folder: &Path,
        stem: &str,
        table: &'static str,
        format: Format,
        style: ExportStyle,
        quirks: CsvQuirks,
    ) -> Result<Self> {
        let fields = table_of(table)?;
        match format {
            Format::Parquet => {
                Ok(Self::Parquet(Box::new(ParquetSink::create(folder, &format!("{stem}.parquet"), table, fields)?)))
            }
            Format::Csv => {
                let columns: Vec<&'static str> = fields.exported().map(|field| field.name.as_ref()).collect();
                let mut headers: Vec<String> = fields.exported().map(|field| style.header(field, None)).collect();
                headers.extend(quirks.extra.then(|| EXTRA_HEADER.to_owned()));
                let csv = Csv::create(folder, &format!("{stem}.csv.gz"), table, style, Wrap::Gzip, &headers)?;
                Ok(Self::Csv(Box::new(CsvSink { csv, columns, quirks })))
            }
        }
    }

    /// Begins a report, with the columns somebody chose for it.
    pub fn report(folder: &Path, stem: &str, table: &'static str, columns: &[(&'static str, &str)]) -> Result<Self> {
        let headers: Vec<String> = columns.iter().map(|(_, label)| (*label).to_owned()).collect();
        let csv = Csv::create(folder, &format!("{stem}.csv"), table, ExportStyle::Report, Wrap::Plain, &headers)?;
        let columns = columns.iter().map(|(column, _)| *column).collect();
        Ok(Self::Csv(Box::new(CsvSink { csv, columns, quirks: CsvQuirks::default() })))
    }

    /// Writes a row.
    pub fn write(&mut self, row: &dyn Row) -> Result<()> {
        match self {
            Self::Csv(sink) => sink.write(row, None),
            Self::Parquet(sink) => sink.write(row),
        }
    }

    /// Writes a row nobody can read. Parquet has no such rows: its columns have types.
    pub fn write_spoilt(&mut self, row: &dyn Row, spoilt: Corruption) -> Result<()> {
        match self {
            Self::Csv(sink) => sink.write(row, Some(spoilt)),
            Self::Parquet(_) => Ok(()),
        }
    }

    /// Gives the file its name; a file without rows is given up.
    pub fn finish(self) -> Result<Option<MadeFile>> {
        match self {
            Self::Csv(sink) => sink.csv.finish(),
            Self::Parquet(sink) => sink.finish(),
        }
    }
}

/// A CSV of one table.
pub struct CsvSink {
    csv: Csv,
    columns: Vec<&'static str>,
    quirks: CsvQuirks,
}

impl CsvSink {
    fn write(&mut self, row: &dyn Row, spoilt: Option<Corruption>) -> Result<()> {
        for column in &self.columns {
            let cell = row.cell(column);
            if let Some(value) = spoilt.and_then(|spoilt| spoilt.value(column, cell)) {
                self.csv.cell(Cell::Text(&value))?;
            } else if cell == Cell::Empty && self.quirks.not_applicable && column.starts_with("date_") {
                self.csv.cell(Cell::Text("#N/A"))?;
            } else {
                self.csv.cell(cell)?;
            }
        }
        if self.quirks.extra {
            self.csv.cell(Cell::Text("Front Range"))?;
        }
        self.csv.end_row()
    }
}

enum Column {
    Text(StringBuilder),
    Label(StringDictionaryBuilder<Int32Type>),
    Bool(BooleanBuilder),
    Int(Int32Builder),
    Time(TimestampMicrosecondBuilder),
}

impl Column {
    fn new(kind: Kind) -> Result<Self> {
        Ok(match kind {
            Kind::Id | Kind::Text => Self::Text(StringBuilder::with_capacity(BATCH_ROWS, BATCH_ROWS * 24)),
            Kind::Label | Kind::LabelId => Self::Label(StringDictionaryBuilder::new()),
            Kind::Bool => Self::Bool(BooleanBuilder::with_capacity(BATCH_ROWS)),
            Kind::Int => Self::Int(Int32Builder::with_capacity(BATCH_ROWS)),
            Kind::Time => Self::Time(TimestampMicrosecondBuilder::with_capacity(BATCH_ROWS).with_timezone(UTC.clone())),
            Kind::Date | Kind::Long => return Err(Error::internal("no bulk table has days or long numbers")),
        })
    }

    fn append(&mut self, cell: Cell<'_>) -> Result<()> {
        match (self, cell) {
            (Self::Text(out), Cell::Text(text)) => out.append_value(text),
            (Self::Text(out), Cell::Id(id)) => out.append_value(id.as_str()),
            (Self::Text(out), Cell::Empty) => out.append_null(),
            (Self::Label(out), Cell::Text(text)) => out.append_value(text),
            (Self::Label(out), Cell::Number(number)) => out.append_value(number.to_string()),
            (Self::Label(out), Cell::Empty) => out.append_null(),
            (Self::Bool(out), Cell::Bool(value)) => out.append_value(value),
            (Self::Bool(out), Cell::Empty) => out.append_null(),
            (Self::Int(out), Cell::Int(number)) => out.append_value(number as i32),
            (Self::Int(out), Cell::Empty) => out.append_null(),
            (Self::Time(out), Cell::Time(micros)) => out.append_value(micros),
            (Self::Time(out), Cell::Empty) => out.append_null(),
            (_, cell) => return Err(Error::internal(phrase!("{cell:?} stands in a column of another type"))),
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(out) => Arc::new(out.finish()),
            Self::Label(out) => Arc::new(out.finish()),
            Self::Bool(out) => Arc::new(out.finish()),
            Self::Int(out) => Arc::new(out.finish()),
            Self::Time(out) => Arc::new(out.finish()),
        }
    }
}

/// A Parquet file of one table, under its API names.
pub struct ParquetSink {
    path: PathBuf,
    writer: ArrowWriter<Part>,
    schema: SchemaRef,
    columns: Vec<(&'static str, Column)>,
    pending_rows: usize,
    rows: u64,
}

impl ParquetSink {
    fn create(folder: &Path, name: &str, table: &'static str, fields: &'static Table) -> Result<Self> {
        let mut properties = WriterProperties::builder()
            .set_created_by("ier generate".to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_dictionary_enabled(false);
        let mut columns = Vec::new();
        let mut arrow = Vec::new();
        for field in fields.exported() {
            let path = ColumnPath::from(field.api_name());
            properties = match field.kind {
                Kind::Label | Kind::LabelId => properties.set_column_dictionary_enabled(path, true),
                Kind::Time => properties.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
                _ => properties,
            };
            columns.push((field.name.as_ref(), Column::new(field.kind)?));
            arrow.push(ArrowField::new(field.api_name(), field.kind.lake_type(), true));
        }
        let schema: SchemaRef = Arc::new(Schema::new(arrow));
        let part = Part::create(folder, name, table)?;
        let writer = ArrowWriter::try_new(part, schema.clone(), Some(properties.build()))?;
        Ok(Self { path: folder.join(name), writer, schema, columns, pending_rows: 0, rows: 0 })
    }

    fn write(&mut self, row: &dyn Row) -> Result<()> {
        for (name, column) in &mut self.columns {
            column.append(row.cell(name))?;
        }
        self.pending_rows += 1;
        self.rows += 1;
        if self.pending_rows == BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let columns = self.columns.iter_mut().map(|(_, column)| column.finish()).collect();
        self.pending_rows = 0;
        let batch = RecordBatch::try_new(self.schema.clone(), columns)?;
        self.writer.write(&batch).context(|| phrase!("{}: cannot be written", self.path.display()))
    }

    fn finish(mut self) -> Result<Option<MadeFile>> {
        if self.rows == 0 {
            return Ok(None);
        }
        if self.pending_rows > 0 {
            self.flush()?;
        }
        let part = self.writer.into_inner().context(|| phrase!("{}: cannot be written", self.path.display()))?;
        part.finish(self.rows).map(Some)
    }
}
