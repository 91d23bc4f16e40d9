//! A room's state around its game: players and refused sessions. Snapshots contain all of it.

use std::collections::{BTreeMap, VecDeque};

use grandstand_common::id::{EdgeId, Instance, PlayerId, SessionId};
use serde::{Deserialize, Serialize};

use grandstand_game::Reject;

use super::players::{Player, Presence};

/// The timer that deletes a finished room. Names that begin with `=` are reserved, so no game has a timer of this name.
pub(crate) const DELETE_TIMER: &str = "=delete";
/// The most refused sessions kept per room, so that a repeated `Joined` receives the same answer.
const KEPT_REFUSED: usize = 32;
/// The most players kept after they left, for their `last_seq` and sessions.
const KEPT_LEFT: usize = 256;

/// A room's durable state around its game.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RoomState {
    pub(crate) instance: Instance,
    pub(crate) players: BTreeMap<PlayerId, Player>,
    pub(crate) refused: VecDeque<RefusedSession>,
}

/// A session whose `Joined` the game rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RefusedSession {
    pub(crate) session: SessionId,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl RoomState {
    pub(crate) fn new(instance: Instance) -> Self {
        Self {
            instance,
            players: BTreeMap::new(),
            refused: VecDeque::new(),
        }
    }

    /// The player whose current session this is.
    pub(crate) fn player_of(&self, session: SessionId) -> Option<(&PlayerId, &Player)> {
        self.players.iter().find(|(_, p)| p.session == session)
    }

    /// A player's edge and session; `None` if the session has ended.
    pub(crate) fn reach(&self, player: &PlayerId) -> Option<(&EdgeId, SessionId)> {
        let player = self.players.get(player)?;
        player
            .is_reachable()
            .then_some((&player.edge, player.session))
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
