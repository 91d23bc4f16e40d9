//! How a room's spectators are served.

use serde::{Deserialize, Serialize};

/// How a room's spectators are served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spectating {
    /// How often a second a spectator is sent something, at most; 0 for as often as there is something. Of updates that wait
    /// for their turn only the latest with the same [key](crate::effects::Effects::update_keyed) is sent, and
    /// a snapshot in their place where that is less.
    pub max_rate_hz: u32,
    /// How many milliseconds later than it happens a spectator is shown anything, so that nobody plays by what another's
    /// screen shows.
    pub delay_ms: u32,
}
