//! Makes the writer of the format that was chosen.

use arrow::datatypes::SchemaRef;

use super::chart::{Chart, Surface};
use super::format::{Format, Options};
use super::rows::{Pipe, Rows};
use super::spans::{SpansAsText, without_spans};
use super::{binary, table, text, xlsx};
use crate::error::Result;

pub(super) fn writer<'a>(
    format: Format,
    schema: SchemaRef,
    pipe: &'a mut Pipe<'_>,
    options: &Options,
) -> Result<Box<dyn Rows + 'a>> {
    if let Some(text_schema) = without_spans(&schema)
        .filter(|_| !matches!(format, Format::Parquet | Format::Arrow | Format::ArrowStream) && !format.is_chart())
    {
        let inner = writer(format, text_schema.clone(), pipe, options)?;
        return Ok(Box::new(SpansAsText { inner, schema: text_schema }));
    }
    Ok(match format {
        Format::Table => Box::new(table::Table::new(schema, pipe, options)),
        Format::Record => Box::new(table::Table::of_records(schema, pipe, options)),
        Format::Csv => Box::new(text::Csv::new(schema, pipe)?),
        Format::Json => Box::new(text::Json::<_, text::Array>::new(schema, pipe)),
        Format::Ndjson => Box::new(text::Json::<_, text::Lines>::new(schema, pipe)),
        Format::Parquet => Box::new(binary::Parquet::new(schema, pipe)?),
        Format::Arrow => Box::new(binary::Arrow::new(schema, pipe)?),
        Format::ArrowStream => Box::new(binary::ArrowStream::new(schema, pipe)?),
        Format::Chart => Box::new(Chart::new(schema, pipe, Surface::Terminal, options)),
        Format::Svg => Box::new(Chart::new(schema, pipe, Surface::Svg, options)),
        Format::Png => Box::new(Chart::new(schema, pipe, Surface::Png, options)),
        Format::Xlsx => Box::new(xlsx::Xlsx::new(&schema, pipe, options)?),
    })
}
