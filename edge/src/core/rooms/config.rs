//! The configuration of rooms.

use std::time::Duration;

use super::chain::ChainConfig;
use super::delay::DeliveryPolicy;

/// The settings of all rooms of a core. The defaults of the keys in `[rooms]` and `[limits]` are these.
#[derive(Debug, Clone, Copy)]
pub struct RoomConfig {
    /// Bytes of updates that each lane keeps for clients that return. The same as the workers'.
    pub ring_bytes: usize,
    /// The minimum delay and the maximum rate of spectators' lanes. Games may set a longer delay and a lower rate.
    pub spectators: DeliveryPolicy,
    /// The most bytes of delayed events per room.
    pub delay_bytes: usize,
    /// The most bytes of frames that may wait for one member, in its outbox or in the lane's log. A member with more
    /// gets a snapshot instead.
    pub outbox_bytes: usize,
    /// The time for which a room without clients stays watched.
    pub linger: Duration,
    /// The most bytes of a player's inputs per second, on average; 0 for any number.
    pub player_input_bytes_per_s: u32,
    /// The most bytes of all inputs to a room per second, on average; 0 for any number.
    pub room_input_bytes_per_s: u32,
    /// The settings of sessions' chains.
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
            player_input_bytes_per_s: 1 << 20,
            room_input_bytes_per_s: 4 << 20,
            chain: ChainConfig::default(),
        }
    }
}
