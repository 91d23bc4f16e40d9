//! A received packet.

use std::net::{IpAddr, SocketAddr};

use bytes::BytesMut;
use quinn_udp::EcnCodepoint;

/// A received packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) from: SocketAddr,
    /// The address of this machine that it was sent to.
    pub(super) to: Option<IpAddr>,
    pub(super) ecn: Option<EcnCodepoint>,
    pub(super) data: BytesMut,
}
