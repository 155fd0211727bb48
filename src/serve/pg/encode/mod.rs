//! Writes values in Postgres' formats, text and binary.

use bytes::{BufMut, BytesMut};

pub(super) use self::binary::{EPOCH_DAYS, EPOCH_MICROS};
pub(super) use self::column::Column;

// The values of one column, ready to be written.
mod column;

// As people read them.
mod text;

// As programs read them.
mod binary;

/// How a value is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    Text,
    Binary,
}

/// Writes the value of a row that has one.
pub(super) fn write(column: &Column, row: usize, form: Form, out: &mut BytesMut) {
    match form {
        Form::Text => text::write(column, row, out),
        Form::Binary => binary::write(column, row, out),
    }
}

/// The same with its length before it, or -1 where there is none.
pub(super) fn with_length(column: &Column, row: usize, form: Form, out: &mut BytesMut) {
    match form {
        Form::Binary => binary::with_length(column, row, out),
        Form::Text if column.is_null(row) => out.put_i32(-1),
        Form::Text => {
            let at = out.len();
            out.put_i32(0);
            text::write(column, row, out);
            // No value of more than two gigabytes is made: a batch holds less.
            let length = i32::try_from(out.len() - at - 4).unwrap_or(i32::MAX);
            out[at..at + 4].copy_from_slice(&length.to_be_bytes());
        }
    }
}

/// A message of the protocol: its letter, its length, and what `body` writes.
pub(super) fn message(letter: u8, out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(letter);
    let at = out.len();
    out.put_u32(0);
    body(out);
    let length = (out.len() - at) as u32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests;
