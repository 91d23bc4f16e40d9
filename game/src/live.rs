//! Live messages: lossy, neither logged nor stored.

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};

/// The recipients of a live message.
#[derive(Debug, Clone, PartialEq)]
pub enum LiveTo {
    /// A lane, or (`None`) both.
    Lane(Option<Lane>),
    /// Both lanes, but not this player.
    Others(PlayerId),
    /// One player.
    Player(PlayerId),
}

/// Collects the live messages of [`Game::live`](crate::game::Game::live).
#[derive(Debug, Default)]
pub struct LiveEffects {
    list: Vec<(LiveTo, Data)>,
}

impl LiveEffects {
    /// Sends to everyone in the room.
    pub fn all(&mut self, data: Data) {
        self.list.push((LiveTo::Lane(None), data));
    }

    /// Sends to one lane.
    pub fn lane(&mut self, lane: Lane, data: Data) {
        self.list.push((LiveTo::Lane(Some(lane)), data));
    }

    /// Sends to everyone in the room except `player`.
    pub fn others(&mut self, player: &PlayerId, data: Data) {
        self.list.push((LiveTo::Others(player.clone()), data));
    }

    /// Sends to `player` only.
    pub fn player(&mut self, player: &PlayerId, data: Data) {
        self.list.push((LiveTo::Player(player.clone()), data));
    }

    /// The messages in their order.
    pub fn into_list(self) -> Vec<(LiveTo, Data)> {
        self.list
    }
}
