//! A TLS connection during its handshake and its HTTP request, on the runtime's socket.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::server::tls::session::{MIN_BUFFER, TlsSession};
use crate::server::tls::wire::with_wire;

/// The most bytes read from the socket at once.
const READ: usize = 4 << 10;

/// A socket with its TLS session.
#[derive(Debug)]
pub(crate) struct TlsStream {
    socket: TcpStream,
    session: Box<TlsSession>,
    /// Plaintext, of which the first `taken` bytes are read.
    plain: Vec<u8>,
    taken: usize,
    ended: bool,
    failure: Option<rustls::Error>,
}

impl TlsStream {
    /// Starts the handshake, which the first read drives.
    ///
    /// # Errors
    /// If the configuration cannot be used for a server.
    pub(crate) fn new(socket: TcpStream, config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self {
            socket,
            session: Box::new(TlsSession::new(config)?),
            plain: Vec::new(),
            taken: 0,
            ended: false,
            failure: None,
        })
    }

    pub(crate) fn session(&self) -> &TlsSession {
        &self.session
    }

    /// The error with which the client has ended the session.
    pub(crate) fn failure(&self) -> Option<&rustls::Error> {
        self.failure.as_ref()
    }

    /// The socket, the session, and the plaintext that is not read.
    pub(crate) fn into_parts(self) -> (TcpStream, Box<TlsSession>, Vec<u8>) {
        let mut plain = self.plain;
        plain.drain(..self.taken);
        (self.socket, self.session, plain)
    }

    /// Writes encrypted bytes to the socket until all are sent.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.session.unsent().is_empty() {
            let socket = Pin::new(&mut self.socket);
            match ready!(socket.poll_write(cx, self.session.unsent()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.session.on_sent(count),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads from the socket and decrypts. Returns once there is plaintext, or the end.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.taken == self.plain.len() && !self.ended {
            let (read, count, decrypted) = with_wire(MIN_BUFFER, |wire| {
                let kept = self.session.take_partial(wire);
                let mut into = ReadBuf::new(&mut wire[kept..(kept + READ).min(MIN_BUFFER)]);
                let read = Pin::new(&mut self.socket).poll_read(cx, &mut into);
                let count = into.filled().len();
                let total = kept + count;
                self.plain.resize(total, 0);
                self.taken = 0;
                let decrypted = self.session.decrypt(&mut wire[..total], &mut self.plain);
                (read, count, decrypted)
            });
            let is_flood = self.session.has_too_many_idle_records();
            self.plain
                .truncate(decrypted.as_ref().map_or(0, |decrypted| decrypted.count));
            // The handshake waits for what is sent now. If the socket is full, the next poll sends the rest.
            let sent = self.poll_send(cx);
            match decrypted {
                Ok(decrypted) => self.ended = decrypted.ended,
                Err(error) => {
                    self.failure = Some(error.clone());
                    let invalid = io::Error::new(io::ErrorKind::InvalidData, error);
                    return Poll::Ready(Err(invalid));
                }
            }
            if let Poll::Ready(Err(error)) = sent {
                return Poll::Ready(Err(error));
            }
            if is_flood {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            match read {
                Poll::Ready(Ok(())) if count == 0 => self.ended = true,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if self.plain.is_empty() && !self.ended => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_receive(cx))?;
        let rest = &self.plain[self.taken..];
        let count = rest.len().min(into.remaining());
        into.put_slice(&rest[..count]);
        self.taken += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        let count = self.session.encrypt_record(&[io::IoSlice::new(bytes)])?;
        // The next write or the flush sends the bytes that the socket does not accept now.
        match self.poll_send(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended {
            self.session.encrypt_end();
        }
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
