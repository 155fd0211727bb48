//! What a connection's bytes go through: TCP alone, or TLS over it.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The protocol that clients name when they begin with TLS outright.
pub(super) const PROTOCOL: &[u8] = b"postgresql";

/// How a record of TLS begins that greets: no message of Postgres does.
const GREETING: u8 = 0x16;

/// A connection.
pub(super) enum Stream {
    Plain(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
    /// While it changes from one to the other, and where that failed.
    Gone,
}

impl Stream {
    /// Does the client begin with TLS, without asking for it? Nothing is read by that.
    pub(super) async fn greets(&self) -> bool {
        let Self::Plain(stream) = self else { return false };
        let mut first = [0; 1];
        matches!(stream.peek(&mut first).await, Ok(1)) && first == [GREETING]
    }

    /// Goes on under TLS.
    ///
    /// # Errors
    /// What went wrong; then the connection is gone.
    pub(super) async fn secure(&mut self, acceptor: &TlsAcceptor) -> io::Result<()> {
        let Self::Plain(stream) = std::mem::replace(self, Self::Gone) else { return Err(io::ErrorKind::NotConnected.into()) };
        *self = Self::Secured(Box::new(acceptor.accept(stream).await?));
        Ok(())
    }

    /// Is it under TLS?
    pub(super) fn is_secured(&self) -> bool {
        matches!(self, Self::Secured(_))
    }

    /// Has the client named the protocol, under TLS?
    pub(super) fn has_named(&self) -> bool {
        matches!(self, Self::Secured(stream) if stream.get_ref().1.alpn_protocol() == Some(PROTOCOL))
    }

    /// Where it comes from, and at which address of ours it came in.
    pub(super) fn ends(&self) -> (Option<IpAddr>, Option<IpAddr>) {
        let tcp = match self {
            Self::Plain(stream) => stream,
            Self::Secured(stream) => stream.get_ref().0,
            Self::Gone => return (None, None),
        };
        (tcp.peer_addr().ok().map(|address| address.ip()), tcp.local_addr().ok().map(|address| address.ip()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Self::Secured(stream) => Pin::new(stream).poll_read(context, into),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Secured(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Secured(stream) => Pin::new(stream).poll_flush(context),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Secured(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}
