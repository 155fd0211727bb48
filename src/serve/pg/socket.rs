//! A client's connection: reads messages, within limits, and writes messages.
//!
//! Nothing is sent before it is flushed. A flush that was interrupted is continued by the next one.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use pgwire::messages::PgWireBackendMessage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::failure::Failure;
use super::frontend::{self, Message, Start};
use super::stream::Stream;

/// Bytes that are read of somebody who has not logged in.
const BEFORE_LOGIN: usize = 64 << 10;

/// The longest message of somebody who has.
const MESSAGE: usize = 16 << 20;

/// Bytes a client may send ahead while a statement runs.
const AHEAD: usize = 1 << 20;

/// Bytes that are read at a time, at least.
const READ: usize = 8 << 10;

/// The length of a message counts itself.
const LENGTH: usize = 4;

/// Why no message came.
#[derive(Debug)]
pub(super) enum Broken {
    /// The client is gone.
    Gone,
    /// What came is no message, or one too long.
    Failed(Failure),
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A client's connection.
pub(super) struct Socket {
    stream: Stream,
    input: BytesMut,
    output: BytesMut,
    /// What may still be read before login; `None` once somebody has logged in.
    allowance: Option<usize>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: Stream::Plain(stream), input: BytesMut::new(), output: BytesMut::new(), allowance: Some(BEFORE_LOGIN) }
    }

    /// Somebody has logged in: their messages may be longer.
    pub(super) fn trust(&mut self) {
        self.allowance = None;
    }

    /// What its bytes go through.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Goes on under TLS. What was read before came in plain, and nothing of it may be left: see [`Socket::has_input`].
    pub(super) async fn secure(&mut self, acceptor: &TlsAcceptor) -> Result<(), Broken> {
        debug_assert!(self.input.is_empty());
        Ok(self.stream.secure(acceptor).await?)
    }

    /// Has more come than was asked for?
    pub(super) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// The next of the messages before login.
    pub(super) async fn start(&mut self) -> Result<Start, Broken> {
        Ok(frontend::start(self.body(0).await?)?)
    }

    /// The next message.
    pub(super) async fn message(&mut self) -> Result<Message, Broken> {
        self.until(1).await?;
        let letter = self.input[0];
        let body = self.body(1).await?;
        Ok(frontend::message(letter, body)?)
    }

    /// What is in the next message, behind its letter and length.
    async fn body(&mut self, letter: usize) -> Result<Bytes, Broken> {
        self.until(letter + LENGTH).await?;
        let length = (&self.input[letter..]).get_u32() as usize;
        let most = self.allowance.map_or(MESSAGE, |allowance| allowance + self.input.len());
        if length < LENGTH || length > most {
            return Err(Failure::protocol(format!("invalid length of message: {length} bytes, of at most {most}")).into());
        }
        self.until(letter + length).await?;
        let mut message = self.input.split_to(letter + length);
        message.advance(letter + LENGTH);
        Ok(message.freeze())
    }

    /// Reads until so many bytes are there. What was read when this is left off stays.
    async fn until(&mut self, bytes: usize) -> Result<(), Broken> {
        while self.input.len() < bytes {
            if self.allowance == Some(0) {
                return Err(Failure::protocol("too much was sent before login").into());
            }
            self.read().await?;
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<(), Broken> {
        let read = match &mut self.allowance {
            Some(allowance) => {
                let read = (&mut self.stream).take(*allowance as u64).read_buf(&mut self.input).await?;
                *allowance -= read;
                read
            }
            None => {
                self.input.reserve(READ);
                self.stream.read_buf(&mut self.input).await?
            }
        };
        if read == 0 { Err(Broken::Gone) } else { Ok(()) }
    }

    /// Comes back when the client is gone. What it sends meanwhile is kept for later, up to a limit.
    pub(super) async fn gone(&mut self) {
        while self.input.len() < AHEAD {
            if self.read().await.is_err() {
                return;
            }
        }
        std::future::pending().await
    }

    /// Puts a message behind those that wait to be sent.
    pub(super) fn put(&mut self, message: &PgWireBackendMessage) {
        let before = self.output.len();
        if message.encode(&mut self.output).is_err() {
            // Longer than a message may be: nothing of it is sent.
            self.output.truncate(before);
        }
    }

    /// Messages that wait to be sent, for who writes them by themselves.
    pub(super) fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Sends what waits.
    pub(super) async fn flush(&mut self) -> Result<(), Broken> {
        while self.output.has_remaining() {
            if self.stream.write_buf(&mut self.output).await? == 0 {
                return Err(Broken::Gone);
            }
        }
        // TLS keeps back what does not fill a record.
        Ok(self.stream.flush().await?)
    }

    /// Sends what waits, as far as the client takes it at once, and says that no more comes.
    pub(super) async fn close(&mut self) {
        let closing = async {
            self.flush().await.ok()?;
            self.stream.shutdown().await.ok()?;
            // What is sent to a closed socket makes the system forget what the client has not read yet.
            let mut sink = [0; 4096];
            while self.stream.read(&mut sink).await.is_ok_and(|read| read > 0) {}
            Some(())
        };
        drop(tokio::time::timeout(std::time::Duration::from_millis(200), closing).await);
    }
}
