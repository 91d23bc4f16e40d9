//! A client's socket until the upgrade, with or without TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::server::tls::session::TlsSession;
use crate::server::tls::stream::TlsStream;

/// A client's socket.
#[derive(Debug)]
pub(super) enum ClientStream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

impl ClientStream {
    /// The socket, its TLS session, and the bytes that are received and not read.
    pub(super) fn into_parts(self) -> (TcpStream, Option<Box<TlsSession>>, Vec<u8>) {
        match self {
            Self::Plain(socket) => (socket, None, Vec::new()),
            Self::Tls(stream) => {
                let (socket, session, unread) = stream.into_parts();
                (socket, Some(session), unread)
            }
        }
    }

    /// The TLS session, if there is one.
    pub(super) fn session(&self) -> Option<&TlsSession> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => Some(stream.session()),
        }
    }

    /// The error with which TLS has ended.
    pub(super) fn tls_failure(&self) -> Option<&rustls::Error> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => stream.failure(),
        }
    }

    /// Whether the client can read a response. Before the end of a TLS handshake it cannot.
    pub(super) fn can_answer(&self) -> bool {
        self.session().is_none_or(|tls| !tls.is_handshaking())
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, into),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
