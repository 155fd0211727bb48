//! Sends the rows of an answer, as many at a time as the client wants. Nothing is collected: if a client does not read, its rows
//! wait where they are made.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use bytes::{BufMut, BytesMut};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::EmptyRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};
use pgwire::messages::data::{FieldDescription, RowDescription};

use super::copy::CopyForm;
use super::encode::{Column, Form, message, with_length};
use super::failure::Failure;
use super::running::Running;
use super::socket::{Broken, Socket};
use super::types;
use super::zone::Zone;

/// So many bytes are sent at a time.
const SEND: usize = 64 << 10;

/// An answer, and how far it was read.
pub(super) struct Answer {
    stream: SendableRecordBatchStream,
    /// The columns a client was told of.
    schema: SchemaRef,
    columns: Vec<Column>,
    next: usize,
    rows: usize,
    is_done: bool,
}

/// How rows go out.
pub(super) enum Sink<'a> {
    /// As rows, each column in its form.
    Rows(&'a [Form]),
    /// As COPY writes them.
    Copy(&'a CopyForm),
    /// Not at all.
    Nowhere,
}

impl Answer {
    pub(super) fn new(stream: SendableRecordBatchStream) -> Self {
        Self { schema: stream.schema(), stream, columns: Vec::new(), next: 0, rows: 0, is_done: false }
    }

    /// Of rows that are there already.
    pub(super) fn of(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self::new(Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(batches.into_iter().map(Ok)))))
    }

    /// Its columns are those that were promised before.
    pub(super) fn promised(self, schema: Option<&SchemaRef>) -> Result<Self, Failure> {
        match schema {
            Some(schema) if schema.fields().len() != self.schema.fields().len() => {
                Err(Failure::unsupported("cached plan must not change result type"))
            }
            Some(schema) => Ok(Self { schema: schema.clone(), ..self }),
            None => Ok(self),
        }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Were all rows read?
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Sends rows, at most so many, and says how many they were.
    pub(super) async fn send(
        &mut self,
        (socket, running): (&mut Socket, &mut Running),
        most: Option<usize>,
        sink: &Sink<'_>,
        zone: Zone,
    ) -> Result<usize, Broken> {
        let sent = self.rows_to((socket, running), most, sink, zone).await;
        if sent.is_err() {
            // What was stopped is let go at once, however long it takes to say so.
            self.end();
        }
        sent
    }

    async fn rows_to(
        &mut self,
        (socket, running): (&mut Socket, &mut Running),
        most: Option<usize>,
        sink: &Sink<'_>,
        zone: Zone,
    ) -> Result<usize, Broken> {
        let names: Vec<String> = self.schema.fields().iter().map(|field| field.name().clone()).collect();
        let (mut sent, mut scratch) = (0, BytesMut::new());
        while most.is_none_or(|most| sent < most) {
            if self.next == self.rows && !self.batch(socket, running, zone).await? {
                break;
            }
            while self.next < self.rows && most.is_none_or(|most| sent < most) {
                let out = socket.output();
                match sink {
                    Sink::Rows(forms) => row(&self.columns, self.next, forms, out),
                    Sink::Copy(form) => form.row((&names, &self.columns), (self.next, sent == 0), &mut scratch, out),
                    Sink::Nowhere => {}
                }
                (self.next, sent) = (self.next + 1, sent + 1);
                if out.len() >= SEND {
                    running.flush(socket).await?;
                }
            }
        }
        Ok(sent)
    }

    /// Takes the next rows; `false` where there are no more.
    async fn batch(&mut self, socket: &mut Socket, running: &mut Running, zone: Zone) -> Result<bool, Broken> {
        while !self.is_done {
            let Some(batch) = running.wait(socket, self.stream.next()).await? else {
                self.end();
                break;
            };
            let batch = batch.map_err(Failure::from)?;
            let promised = self.schema.fields().iter().zip(batch.columns());
            let columns: Result<_, Failure> =
                promised.map(|(field, array)| Column::new(array, field.data_type(), zone)).collect();
            (self.columns, self.next, self.rows) = (columns?, 0, batch.num_rows());
            if self.rows > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn end(&mut self) {
        self.stream = Box::pin(EmptyRecordBatchStream::new(Arc::clone(&self.schema)));
        (self.columns, self.next, self.rows, self.is_done) = (Vec::new(), 0, 0, true);
    }
}

/// One row, as a message.
fn row(columns: &[Column], row: usize, forms: &[Form], out: &mut BytesMut) {
    message(b'D', out, |out| {
        out.put_u16(columns.len() as u16);
        columns.iter().zip(forms).for_each(|(column, form)| with_length(column, row, *form, out));
    });
}

/// What columns are called and of which types they are, as a message. They belong to no table: see [`super`].
pub(super) fn description(schema: &SchemaRef, forms: &[Form]) -> RowDescription {
    let fields = schema.fields().iter().zip(forms).map(|(field, form)| {
        let (data_type, form): (&DataType, i16) = (field.data_type(), if *form == Form::Binary { 1 } else { 0 });
        let (oid, size, modifier) = (types::oid(data_type), types::size(data_type), types::modifier(data_type));
        FieldDescription::new(field.name().replace('\0', "\u{FFFD}"), 0, 0, oid, size, modifier, form)
    });
    RowDescription::new(fields.collect())
}

/// A form for each column: text where none was asked for, one for all, or one for each.
///
/// # Errors
/// 08P01 for any other number of them.
pub(super) fn forms(asked: &[i16], columns: usize) -> Result<Vec<Form>, Failure> {
    let form = |code: &i16| if *code == 1 { Form::Binary } else { Form::Text };
    match asked {
        [] => Ok(vec![Form::Text; columns]),
        [one] => Ok(vec![form(one); columns]),
        each if each.len() == columns => Ok(each.iter().map(form).collect()),
        each => Err(Failure::new("08P01", format!("there are {} result formats for {columns} columns", each.len()))),
    }
}
