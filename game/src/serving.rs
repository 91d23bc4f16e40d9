//! Rate and delay of the updates for spectators.

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
