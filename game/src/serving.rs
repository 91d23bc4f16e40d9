//! The ways in which a room is served: to spectators, to lobbies, and while nobody is there.

use std::time::Duration;

pub use grandstand_types::listing::Listing;
use serde::{Deserialize, Serialize};

/// Rate and delay of the updates for a room's spectators.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spectating {
    /// The most messages a second that a spectator receives; 0 for no limit. Of queued updates with the same
    /// [key](crate::effects::Effects::update_keyed) only the latest is sent, and a snapshot instead of all of them
    /// where that is smaller.
    pub max_rate_hz: u32,
    /// The milliseconds by which spectators receive updates later than players, so that no player gains from watching a
    /// spectator's screen.
    pub delay_ms: u32,
}

/// The fate of a room in which no player is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Idle {
    /// The room is finished after this time.
    FinishAfter(Duration),
    /// The room stays until the game [finishes](crate::effects::Effects::finish) it.
    Keep,
}

/// 7 days.
impl Default for Idle {
    fn default() -> Self {
        Self::FinishAfter(Duration::from_secs(7 * 24 * 3600))
    }
}
