//! What a game sends that may be lost.

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};

/// Who gets a live message.
#[derive(Debug, Clone, PartialEq)]
pub enum LiveTo {
    /// A lane, or (`None`) both.
    Lane(Option<Lane>),
    /// Both lanes, but not this player.
    Others(PlayerId),
    /// One player.
    Player(PlayerId),
}

/// Collects what a game emits in [`Game::live`](crate::game::Game::live) and [`Game::tick`](crate::game::Game::tick).
#[derive(Debug, Default)]
pub struct LiveEffects {
    list: Vec<(LiveTo, Data)>,
}

impl LiveEffects {
    /// To everybody in the room.
    pub fn all(&mut self, data: Data) {
        self.list.push((LiveTo::Lane(None), data));
    }

    /// To one lane.
    pub fn lane(&mut self, lane: Lane, data: Data) {
        self.list.push((LiveTo::Lane(Some(lane)), data));
    }

    /// To everybody but this player.
    pub fn others(&mut self, player: &PlayerId, data: Data) {
        self.list.push((LiveTo::Others(player.clone()), data));
    }

    /// To one player.
    pub fn player(&mut self, player: &PlayerId, data: Data) {
        self.list.push((LiveTo::Player(player.clone()), data));
    }

    /// What was emitted.
    pub fn into_list(self) -> Vec<(LiveTo, Data)> {
        self.list
    }
}
