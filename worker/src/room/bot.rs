//! A player whom the game plays itself, as a snapshot stores it.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_common::id::PlayerId;
use serde::{Deserialize, Serialize};

/// A player whom the game plays itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bot {
    /// The number of the event that added it. Another bot of the same name has another one.
    pub(crate) seat: u64,
    /// The number of its last input.
    pub(crate) no: u64,
    /// The time for which it thinks.
    pub(crate) think_ms: u64,
    /// The number of its inputs that were rejected since the last accepted one.
    #[serde(default)]
    pub(crate) rejected: u32,
}

/// The bots of a room by name.
pub(crate) type Bots = BTreeMap<PlayerId, Bot>;

/// A change of a player's place by the game, at the end of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SeatChange {
    /// Takes the player out of the room, with this code.
    Kick(PlayerId, String),
    /// Plays the player itself.
    Bot(PlayerId, Duration),
}
