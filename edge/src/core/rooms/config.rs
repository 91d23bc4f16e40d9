//! How rooms are configured.

use std::time::Duration;

use super::chain::ChainConfig;
use super::delay::DeliveryPolicy;

/// How rooms are served.
#[derive(Debug, Clone, Copy)]
pub struct RoomConfig {
    /// Bytes of updates kept per lane for clients that request. The same as the workers'.
    pub ring_bytes: usize,
    /// The least delay and the highest rate at which spectators are served; rooms may be slower and later.
    pub spectators: DeliveryPolicy,
    /// Bytes that are delayed per room.
    pub delay_bytes: usize,
    /// Bytes of a lane that may wait for one member, in its outbox or for the flush. A member that lacks more gets a
    /// snapshot.
    pub outbox_bytes: usize,
    /// How long an empty room stays watched.
    pub linger: Duration,
    /// How chains repeat lost entries.
    pub chain: ChainConfig,
}

impl Default for RoomConfig {
    fn default() -> Self {
        Self {
            ring_bytes: 64 * 1024,
            spectators: DeliveryPolicy::default(),
            delay_bytes: 4 * 1024 * 1024,
            outbox_bytes: 256 * 1024,
            linger: Duration::from_secs(30),
            chain: ChainConfig::default(),
        }
    }
}
