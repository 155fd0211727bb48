//! Input streams: buffered, counted, and copied to a file where they must be read from the end or twice.

use std::io::{self, Read};
use std::sync::Arc;

use tempfile::TempPath;

use crate::error::{Context, Error, Result};

/// How much is read at once.
pub(super) const BUFFER_BYTES: usize = 128 << 10;

/// What is itself packed (a zip, a Parquet file) grows to no more than so many times its size when it is unpacked.
pub(super) const UNPACKED_MAX: u64 = 100;

/// A stream that may move to another thread.
pub(super) type Stream = Box<dyn Read + Send>;

/// Told the number of raw bytes read since the last call.
pub type Progress = Option<Arc<dyn Fn(u64) + Send + Sync>>;

/// What a stream holds, as a file of its own.
pub(super) fn copied(name: &str, stream: &mut dyn Read) -> Result<TempPath> {
    let mut file = tempfile::NamedTempFile::new().context(|| phrase!("making room for {name}"))?;
    copy(name, stream, &mut file)?;
    Ok(file.into_temp_path())
}

/// What a packed stream holds, as a file of its own, unless that would be more than `most` bytes.
///
/// # Errors
/// Invalid when it would be more.
pub(super) fn unpacked(name: &str, stream: &mut dyn Read, most: u64) -> Result<TempPath> {
    let copy = copied(name, &mut stream.take(most + 1))?;
    if copy.metadata().context(|| phrase!("making room for {name}"))?.len() > most {
        return Err(Error::invalid(phrase!(
            "{name} would unpack to more than {most} bytes, over {UNPACKED_MAX} times its size: no export does that; if this one is \
             true, unpack it first"
        )));
    }
    Ok(copy)
}

fn copy(name: &str, from: &mut dyn Read, to: &mut dyn io::Write) -> Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut position = 0u64;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return to.flush().context(|| phrase!("making room for {name}")),
            Ok(length) => {
                to.write_all(&buffer[..length]).context(|| phrase!("making room for {name}"))?;
                position += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(name, format_args!("after {position} bytes"), error)),
        }
    }
}

/// A stream that fails: damaged when the unpacking says so, else out of reach.
pub(super) fn unreadable(name: &str, place: impl std::fmt::Display, error: io::Error) -> Error {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    let damaged = matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof);
    let message = format!("{name}: {} {place}: {error}", if damaged { "cut off or damaged" } else { "cannot be read" });
    let error_of = if damaged { Error::corrupt } else { Error::unavailable };
    error_of(message).with_source(error)
}

/// Reads until the buffer is full or the stream ends.
pub(super) fn fill(stream: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match stream.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// A reader that reports how much was read.
pub(super) struct Counted<R> {
    pub inner: R,
    pub progress: Progress,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        if let Some(progress) = &self.progress {
            progress(length as u64);
        }
        Ok(length)
    }
}
