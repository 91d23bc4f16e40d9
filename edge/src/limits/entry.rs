//! The counts of one address or one player, in 16 bytes.

use crate::time::coarse::CoarseInstant;
use crate::time::token_bucket::{Rate, TokenBucket};

/// The connections of an address or a player, and a budget of handshakes or joins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) budget: TokenBucket,
    /// Connections, handshakes in progress included.
    pub(super) connections: u32,
    /// Handshakes in progress; 0 for a player.
    pub(super) handshakes: u32,
}

impl Entry {
    /// An entry without connections, with a full budget.
    pub(super) fn new(rate: Rate, now: CoarseInstant) -> Self {
        Self {
            budget: TokenBucket::new(rate.burst, now),
            connections: 0,
            handshakes: 0,
        }
    }

    /// Whether there are connections.
    pub(super) fn is_used(&self) -> bool {
        self.connections > 0
    }
}
