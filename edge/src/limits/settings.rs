//! The values of the limits, which can be replaced while the edge runs.

use crate::limits::networks::Networks;

/// The limits of addresses, players and the process. In each of them 0 means that there is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LimitSettings {
    /// The most connections of the process, handshakes included.
    pub connections: u32,
    /// The most connections of an address, handshakes included. An address is an IPv4 address or a /64 of IPv6.
    pub address_connections: u32,
    /// The most handshakes of an address that are in progress.
    pub address_handshakes: u32,
    /// The handshakes of an address per second, on average.
    pub address_handshakes_per_s: u32,
    /// The handshakes that an address may begin at once. As many again are answered with 429, further ones are closed.
    pub address_handshake_burst: u32,
    /// Networks whose addresses are not limited.
    pub exempt: Networks,
    /// The most connections of a player.
    pub player_connections: u32,
    /// The joins of a player per second, on average.
    pub player_joins_per_s: u32,
    /// The joins that a player may send at once.
    pub player_join_burst: u32,
}
