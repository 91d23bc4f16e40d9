//! The transport below a connection: a socket, TLS, or a QUIC stream.

use std::io;

use mio::net::TcpStream;

use crate::server::connections::events::EventLink;
use crate::server::quic::link::QuicLink;
use crate::server::tls::session::TlsSession;

/// The transport that carries a connection's bytes, in both directions and in order.
#[derive(Debug)]
pub(crate) enum Link {
    /// A socket without TLS.
    Plain(TcpStream),
    /// A socket with TLS.
    Tls(TcpStream, Box<TlsSession>),
    /// A stream of a QUIC connection.
    #[cfg_attr(
        not(feature = "quic"),
        expect(dead_code, reason = "there is no such stream")
    )]
    Quic(Box<QuicLink>),
    /// An event stream over HTTP.
    Events(Box<EventLink>),
}

impl Link {
    /// The socket; `None` over QUIC, and for a view.
    pub(super) fn socket(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(socket) | Self::Tls(socket, _) => Some(socket),
            Self::Quic(_) => None,
            Self::Events(stream) => stream.socket(),
        }
    }

    /// The socket, to register it; `None` over QUIC, and for a view.
    pub(super) fn socket_mut(&mut self) -> Option<&mut TcpStream> {
        match self {
            Self::Plain(socket) | Self::Tls(socket, _) => Some(socket),
            Self::Quic(_) => None,
            Self::Events(stream) => stream.socket_mut(),
        }
    }

    /// Whether the frames leave in another form than that in which they are queued, so that the link may keep a part of
    /// those it has accepted.
    pub(super) fn keeps_bytes(&self) -> bool {
        matches!(self, Self::Tls(..) | Self::Events(_))
    }

    /// Sends the bytes that the link keeps. Returns whether it keeps none any more.
    pub(super) fn send_kept(&mut self) -> io::Result<bool> {
        match self {
            Self::Plain(_) | Self::Quic(_) => Ok(true),
            Self::Tls(socket, tls) => tls.send(socket),
            Self::Events(stream) => stream.send(),
        }
    }

    /// Whether the link has got frames of the client since the last call, of which no event of its socket tells.
    pub(super) fn take_news(&mut self) -> bool {
        match self {
            Self::Events(stream) => stream.take_news(),
            Self::Plain(_) | Self::Tls(..) | Self::Quic(_) => false,
        }
    }
}
