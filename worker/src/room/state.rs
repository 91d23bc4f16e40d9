//! What a room keeps beside its game's state: players, timers, counters. All of it is in the snapshot.

use std::collections::{BTreeMap, VecDeque};

use grandstand_common::id::{Instance, PlayerId, SessionId};
use serde::{Deserialize, Serialize};

use grandstand_game::Reject;

use super::players::{Player, Presence};

/// The timer that deletes a finished room. Games cannot have timers whose names begin with `=`.
pub(crate) const DELETE_TIMER: &str = "=delete";
/// Refused sessions remembered per room, so that a repeated `Joined` is answered as the first was.
const KEPT_REFUSALS: usize = 32;
/// Players who left that are remembered, for their `last_seq` and sessions.
const KEPT_LEFT: usize = 256;

/// A room's own durable part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RoomState {
    pub(crate) instance: Instance,
    pub(crate) seed: [u8; 32],
    /// How many events the game has seen: numbers their random streams.
    pub(crate) events: u64,
    pub(crate) last_event_ms: u64,
    pub(crate) finished: bool,
    /// The lanes' output counters.
    pub(crate) versions: [u64; 2],
    /// How often a timer was armed.
    pub(crate) armings: u64,
    pub(crate) timers: BTreeMap<String, Armed>,
    pub(crate) players: BTreeMap<PlayerId, Player>,
    pub(crate) refused: VecDeque<RefusedSession>,
}

/// An armed timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Armed {
    pub(crate) arming: u64,
    pub(crate) due_ms: u64,
}

/// A session whose `Joined` the game refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RefusedSession {
    pub(crate) session: SessionId,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl RoomState {
    pub(crate) fn new(instance: Instance, seed: [u8; 32], now_ms: u64) -> Self {
        Self {
            instance,
            seed,
            events: 0,
            last_event_ms: now_ms,
            finished: false,
            versions: [0; 2],
            armings: 0,
            timers: BTreeMap::new(),
            players: BTreeMap::new(),
            refused: VecDeque::new(),
        }
    }

    /// The player whose current session this is.
    pub(crate) fn player_of(&self, session: SessionId) -> Option<(&PlayerId, &Player)> {
        self.players.iter().find(|(_, p)| p.session == session)
    }

    pub(crate) fn arm(&mut self, name: String, due_ms: u64) {
        self.armings += 1;
        let arming = self.armings;
        self.timers.insert(name, Armed { arming, due_ms });
    }

    pub(crate) fn remember_refused(&mut self, session: SessionId, reject: &Reject) {
        if self.refused.len() == KEPT_REFUSALS {
            self.refused.pop_front();
        }
        self.refused.push_back(RefusedSession {
            session,
            code: reject.code.clone(),
            message: reject.message.clone(),
        });
    }

    /// Forgets those who left longest ago, beyond what is kept.
    pub(crate) fn forget_left(&mut self) {
        let left = |p: &Player| p.presence == Presence::Left;
        while self.players.values().filter(|p| left(p)).count() > KEPT_LEFT {
            let oldest = self.players.iter().filter(|(_, p)| left(p));
            let Some(id) = oldest
                .min_by_key(|(_, p)| p.left_at)
                .map(|(id, _)| id.clone())
            else {
                return;
            };
            self.players.remove(&id);
        }
    }
}
