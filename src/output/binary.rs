//! Writes answers as Parquet or Arrow files, which other engines read at full speed.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::{FileWriter, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::error::Result;

use super::plain::{plain_batch, plain_schema};
use super::rows::{Pipe, Rows};

/// A row group is written out at this size, so that a long answer is not gathered in memory.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// A Parquet file, zstd.
pub(super) struct Parquet<'a, 'b> {
    inner: ArrowWriter<&'a mut Pipe<'b>>,
    schema: SchemaRef,
}

impl<'a, 'b> Parquet<'a, 'b> {
    pub(super) fn new(schema: SchemaRef, pipe: &'a mut Pipe<'b>) -> Result<Self> {
        let schema = plain_schema(&schema);
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .build();
        Ok(Self { inner: ArrowWriter::try_new(pipe, schema.clone(), Some(properties))?, schema })
    }
}

impl Rows for Parquet<'_, '_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.inner.write(&plain_batch(batch, &self.schema)?)?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(self.inner.into_inner()?.flush()?)
    }
}

/// An Arrow IPC file, uncompressed so that it can be mapped into memory.
pub(super) struct Arrow<'a, 'b> {
    inner: FileWriter<&'a mut Pipe<'b>>,
    schema: SchemaRef,
}

impl<'a, 'b> Arrow<'a, 'b> {
    pub(super) fn new(schema: SchemaRef, pipe: &'a mut Pipe<'b>) -> Result<Self> {
        let schema = plain_schema(&schema);
        Ok(Self { inner: FileWriter::try_new(pipe, &schema)?, schema })
    }
}

impl Rows for Arrow<'_, '_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.inner.write(&plain_batch(batch, &self.schema)?)?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.inner.finish()?;
        Ok(self.inner.into_inner()?.flush()?)
    }
}

/// An Arrow IPC stream. Its end is written with the answer's: what broke off before has none.
pub(super) struct ArrowStream<'a, 'b> {
    inner: StreamWriter<&'a mut Pipe<'b>>,
    schema: SchemaRef,
}

impl<'a, 'b> ArrowStream<'a, 'b> {
    pub(super) fn new(schema: SchemaRef, pipe: &'a mut Pipe<'b>) -> Result<Self> {
        let schema = plain_schema(&schema);
        Ok(Self { inner: StreamWriter::try_new(pipe, &schema)?, schema })
    }
}

impl Rows for ArrowStream<'_, '_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.inner.write(&plain_batch(batch, &self.schema)?)?;
        Ok(self.inner.get_mut().flush()?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.inner.finish()?;
        Ok(self.inner.into_inner()?.flush()?)
    }
}
