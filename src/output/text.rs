//! Writes CSV and JSON.

use std::io::Write;
use std::marker::PhantomData;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::json::writer::{JsonFormat, Writer, WriterBuilder};

use crate::error::Result;

use super::plain::{distinct, nested_as_text, renamed};
use super::rows::{Pipe, Rows};

/// A header line, then a line a row. Lists are JSON within their cell.
pub(super) struct Csv<W: Write> {
    inner: arrow::csv::Writer<W>,
}

impl<'a, 'b> Csv<&'a mut Pipe<'b>> {
    pub(super) fn new(schema: SchemaRef, pipe: &'a mut Pipe<'b>) -> Result<Self> {
        let mut inner = arrow::csv::WriterBuilder::new().build(pipe);
        // An answer without rows still has its header; one without columns has none to show.
        if !schema.fields().is_empty() {
            inner.write(&nested_as_text(&RecordBatch::new_empty(schema))?)?;
        }
        Ok(Self { inner })
    }
}

impl<W: Write + Send> Rows for Csv<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_columns() > 0 {
            self.inner.write(&nested_as_text(batch)?)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        // Each batch was flushed as it was written.
        Ok(self.inner.into_inner().flush()?)
    }
}

/// JSON objects, one a row, null where there is nothing.
pub(super) struct Json<W: Write, F: JsonFormat> {
    inner: Writer<W, F>,
    schema: SchemaRef,
    shape: PhantomData<F>,
}

impl<'a, 'b, F: JsonFormat> Json<&'a mut Pipe<'b>, F> {
    pub(super) fn new(schema: SchemaRef, pipe: &'a mut Pipe<'b>) -> Self {
        let inner = WriterBuilder::new().with_explicit_nulls(true).build(pipe);
        Self { inner, schema: distinct(&schema), shape: PhantomData }
    }
}

impl<W: Write + Send, F: JsonFormat + Send> Rows for Json<W, F> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.inner.write(&renamed(batch, &self.schema)?)?;
        Ok(self.inner.get_mut().flush()?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.inner.finish()?;
        Ok(self.inner.into_inner().flush()?)
    }
}

/// One object a line.
pub(super) type Lines = arrow::json::writer::LineDelimited;

/// One array, an object a line, so that people and line tools can read it too.
#[derive(Debug, Default)]
pub(super) struct Array;

impl JsonFormat for Array {
    fn start_stream<W: Write>(&self, writer: &mut W) -> Result<(), ArrowError> {
        Ok(writer.write_all(b"[")?)
    }

    fn start_row<W: Write>(&self, writer: &mut W, is_first_row: bool) -> Result<(), ArrowError> {
        Ok(writer.write_all(if is_first_row { b"\n" } else { b",\n" })?)
    }

    fn end_stream<W: Write>(&self, writer: &mut W) -> Result<(), ArrowError> {
        Ok(writer.write_all(b"]\n")?)
    }
}
