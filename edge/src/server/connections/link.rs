//! The transport below a connection: a socket, TLS, or a QUIC stream.

use mio::net::TcpStream;

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
}
