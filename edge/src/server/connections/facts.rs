//! The facts about a connection that operators see beside its client.

use std::net::IpAddr;
use std::time::Duration;

/// A connection, as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnFacts {
    /// The client's address, as far as trusted proxies name it.
    pub(crate) address: IpAddr,
    /// The time since the handshake, to the second.
    pub(crate) age: Duration,
    /// The bytes of frames received, without TLS and QUIC.
    pub(crate) received: u64,
    /// The bytes of frames that the kernel, TLS or QUIC has accepted.
    pub(crate) sent: u64,
}

/// The data that is kept for that, in 40 bytes with its slot.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) address: IpAddr,
    /// Seconds after the start of the shard.
    pub(super) since_s: u32,
    pub(super) received: u64,
}

impl Facts {
    /// A connection that has received nothing.
    pub(super) fn new(address: IpAddr, since_s: u32) -> Self {
        Self {
            address,
            since_s,
            received: 0,
        }
    }
}
