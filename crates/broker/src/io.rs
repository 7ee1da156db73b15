//! The byte streams under a connection: TCP, TLS, WebSocket, in one shape.
//!
//! Reading goes through one scratch buffer per thread, so an idle connection holds no buffer at all.

mod websocket;

use bytes::{Buf, BytesMut};
use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

pub use websocket::WebSocket;

/// Bytes that are read at a time.
pub const READ_BYTES: usize = 64 << 10;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// A connection's bytes.
pub struct Io {
    stream: Stream,
    unflushed: bool,
}

/// What carries them.
pub enum Stream {
    /// Plain.
    Tcp(TcpStream),
    /// TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// WebSocket over TCP.
    WebSocket(Box<WebSocket<TcpStream>>),
    /// WebSocket over TLS.
    SecureWebSocket(Box<WebSocket<TlsStream<TcpStream>>>),
}

/// What an exchange did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Bytes were read.
    Read,
    /// Everything that waited was written.
    Written,
    /// The other side sends no more.
    Ended,
}

impl Io {
    /// Over an open stream.
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            unflushed: false,
        }
    }

    /// Writes what waits in `output` and, if `read`, appends what came to `input`.
    pub fn poll_exchange(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut BytesMut,
        output: &mut BytesMut,
        read: bool,
    ) -> Poll<io::Result<Moved>> {
        if (!output.is_empty() || self.unflushed)
            && let Poll::Ready(result) = self.poll_drain(cx, output)
        {
            result?;
            return Poll::Ready(Ok(Moved::Written));
        }
        if !read {
            return Poll::Pending;
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(self.stream.poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(Moved::Ended));
            }
            input.extend_from_slice(buffer.filled());
            Poll::Ready(Ok(Moved::Read))
        })
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>, output: &mut BytesMut) -> Poll<io::Result<()>> {
        while !output.is_empty() {
            let written = ready!(self.stream.poll_write(cx, output))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            output.advance(written);
            self.unflushed = true;
        }
        // An idle connection holds no buffer.
        *output = BytesMut::new();
        ready!(self.stream.poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    /// Tells the other side that no more comes.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(io) => Pin::new(io).poll_shutdown(cx),
            Stream::Tls(io) => Pin::new(io).poll_shutdown(cx),
            Stream::WebSocket(io) => Pin::new(io).poll_shutdown(cx),
            Stream::SecureWebSocket(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}

impl Stream {
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(_) => Poll::Ready(Ok(())),
            Self::Tls(io) => Pin::new(io).poll_flush(cx),
            Self::WebSocket(io) => Pin::new(io).poll_flush(cx),
            Self::SecureWebSocket(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(io) => Pin::new(io).poll_read(cx, buffer),
            Self::Tls(io) => Pin::new(io).poll_read(cx, buffer),
            Self::WebSocket(io) => Pin::new(io).poll_read(cx, buffer),
            Self::SecureWebSocket(io) => Pin::new(io).poll_read(cx, buffer),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(io) => Pin::new(io).poll_write(cx, bytes),
            Self::Tls(io) => Pin::new(io).poll_write(cx, bytes),
            Self::WebSocket(io) => Pin::new(io).poll_write(cx, bytes),
            Self::SecureWebSocket(io) => Pin::new(io).poll_write(cx, bytes),
        }
    }
}
