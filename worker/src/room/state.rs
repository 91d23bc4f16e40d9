//! A room's own state beside its game's: players, timers and counters. Snapshots contain all of it.

use std::collections::{BTreeMap, VecDeque};

use grandstand_common::id::{Instance, PlayerId, SessionId};
use serde::{Deserialize, Serialize};

use grandstand_game::Reject;

use super::players::{Player, Presence};

/// The timer that deletes a finished room. Names that begin with `=` are reserved, so no game has a timer of this name.
pub(crate) const DELETE_TIMER: &str = "=delete";
/// The most refused sessions kept per room, so that a repeated `Joined` receives the same answer.
const KEPT_REFUSED: usize = 32;
/// The most players kept after they left, for their `last_seq` and sessions.
const KEPT_LEFT: usize = 256;

/// A room's own durable state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RoomState {
    pub(crate) instance: Instance,
    pub(crate) seed: [u8; 32],
    /// The number of events that the game has received. It selects the random stream of an event.
    pub(crate) events: u64,
    pub(crate) last_event_ms: u64,
    pub(crate) finished: bool,
    /// The version of each lane's view, by [`Lane::index`](grandstand_common::id::Lane::index).
    pub(crate) versions: [u64; 2],
    /// The number of timers armed so far.
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

/// A session whose `Joined` the game rejected.
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
        if self.refused.len() == KEPT_REFUSED {
            self.refused.pop_front();
        }
        self.refused.push_back(RefusedSession {
            session,
            code: reject.code.clone(),
            message: reject.message.clone(),
        });
    }

    /// Removes the players who left first, down to [`KEPT_LEFT`].
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
