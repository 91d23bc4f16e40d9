//! The silence after which a connection is pinged.

use std::time::Duration;

use crate::conn::key::ConnKey;

/// The part of the heartbeat over which the pings of connections are spread.
const SPREAD: u32 = 8;

/// The silence after which a connection is pinged: the heartbeat or up to an eighth less, so that connections that were
/// silent together are not pinged together forever.
pub(super) fn silence(heartbeat: Duration, key: ConnKey) -> Duration {
    let part = key.index.wrapping_mul(0x9E37_79B9) >> 16;
    heartbeat - (heartbeat / SPREAD * part) / (1 << 16)
}
