//! The stand-in for UDP sockets in a program that is built without the feature `quic`.

use std::net::SocketAddr;

use super::config::EdgeConfig;
use super::options::EdgeError;
use super::upgrade::Sockets;
use crate::server::quic::QuicListener;
use crate::server::tls::Tls;

/// No sockets.
#[derive(Debug)]
pub(super) enum Packets {}

impl Packets {
    /// The address for clients.
    pub(super) fn addr(&self) -> SocketAddr {
        match *self {}
    }

    /// Hands the sockets to the shards.
    pub(super) fn begin(self, _: &mut Sockets) -> Result<(), EdgeError> {
        match self {}
    }
}

/// Opens no sockets. A configuration that wants some is refused.
pub(super) fn listen_quic(
    _: &EdgeConfig,
    _: Option<&Tls>,
    _: &mut Sockets,
    _: bool,
) -> Result<(Vec<QuicListener>, Option<Packets>), EdgeError> {
    Ok((Vec::new(), None))
}
