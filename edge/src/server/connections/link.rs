//! What carries a connection's bytes.

use mio::net::TcpStream;

use crate::server::quic::link::QuicLink;
use crate::server::tls::session::TlsSession;

/// What carries a connection's bytes, in both directions and in order.
#[derive(Debug)]
pub(crate) enum Link {
    /// A socket without TLS.
    Plain(TcpStream),
    /// A socket with TLS.
    Tls(TcpStream, Box<TlsSession>),
    /// A stream of a QUIC connection.
    Quic(Box<QuicLink>),
}
