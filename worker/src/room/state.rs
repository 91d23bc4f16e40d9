//! A room's state around its game: players and refused sessions. Snapshots contain all of it.

use std::collections::{BTreeMap, VecDeque};

use grandstand_common::error::ErrorKind;
use grandstand_common::id::{EdgeId, Instance, PlayerId, SessionId};
use grandstand_game::Reject;
use serde::{Deserialize, Serialize};

use super::bot::Bots;
use super::players::{self, Player, SESSION_BYTES};
use super::rejects::shortened;
use super::seen::SeenMessages;
use super::world_state::RealtimeState;

/// The timer that deletes a finished room. Names that begin with `=` are reserved, so no game has a timer of this name.
pub(crate) const DELETE_TIMER: &str = "=delete";
/// The most refused sessions kept per room, so that a repeated `Joined` receives the same answer.
const KEPT_REFUSED: usize = 32;
/// The most players kept after they left, for their `last_seq` and sessions.
const KEPT_LEFT: usize = 256;
/// The most bytes of all players in a snapshot, without the texts of rejects (D26).
const PLAYERS_BYTES: usize = 192 * 1024;
/// The most bytes of the texts of all rejects in a snapshot (D26).
const REJECTS_BYTES: usize = 32 * 1024;

/// A room's durable state around its game.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RoomState {
    pub(crate) instance: Instance,
    pub(crate) players: BTreeMap<PlayerId, Player>,
    pub(crate) refused: VecDeque<RefusedSession>,
    pub(crate) seen: SeenMessages,
    pub(crate) bots: Bots,
    /// The part of a room in real time; `None` if no owner has moved its world.
    pub(crate) realtime: Option<RealtimeState>,
    /// The stored bytes of the texts of all players' rejects.
    pub(super) reject_bytes: usize,
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
            seen: SeenMessages::default(),
            bots: Bots::new(),
            realtime: None,
            reject_bytes: 0,
        }
    }

    /// The state of a snapshot, which any build may have stored.
    pub(crate) fn restore(
        instance: Instance,
        mut players: BTreeMap<PlayerId, Player>,
        refused: VecDeque<RefusedSession>,
        seen: SeenMessages,
        bots: Bots,
        realtime: Option<RealtimeState>,
    ) -> Self {
        players.values_mut().for_each(Player::restore_rejects);
        let reject_bytes = players.values().map(Player::text_bytes).sum();
        let mut state = Self {
            instance,
            players,
            refused,
            seen,
            bots,
            realtime,
            reject_bytes,
        };
        for refused in &mut state.refused {
            refused.shorten();
        }
        state.bound_rejects();
        state
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
        let mut refused = RefusedSession {
            session,
            code: reject.code.to_string(),
            message: reject.message.clone(),
        };
        refused.shorten();
        self.refused.push_back(refused);
    }

    /// Notes that the last input of a player, with sequence `at` in the log, was rejected.
    pub(super) fn keep_reject(&mut self, id: &PlayerId, reject: &Reject, at: u64) {
        if let Some(player) = self.players.get_mut(id) {
            let growth = player.keep_reject(reject, at);
            self.reject_bytes = self.reject_bytes.saturating_add_signed(growth);
            self.bound_rejects();
        }
    }

    /// Forgets the oldest texts, down to [`REJECTS_BYTES`].
    fn bound_rejects(&mut self) {
        while self.reject_bytes > REJECTS_BYTES {
            let players = self.players.values_mut();
            let with_text = players.filter_map(|p| p.oldest_text().map(|at| (at, p)));
            let Some((_, player)) = with_text.min_by_key(|(at, _)| *at) else {
                return;
            };
            self.reject_bytes -= player.drop_oldest_text();
        }
    }

    /// Removes players who left, in the order in which they left, until another session of a player fits into
    /// [`PLAYERS_BYTES`]. Returns whether it fits.
    pub(super) fn make_room(&mut self, id: &PlayerId, edge: &EdgeId, client: &str) -> bool {
        let earlier = |p: &Player| (p.sessions.len() + 1) * SESSION_BYTES;
        let wanted =
            players::stored_bytes(id, edge, client) + self.players.get(id).map_or(0, earlier);
        let others = self.players.iter().filter(|(other, _)| *other != id);
        let mut used: usize = others.map(|(id, p)| p.stored_bytes(id)).sum();
        while used + wanted > PLAYERS_BYTES {
            let Some(freed) = self.forget_one(Some(id)) else {
                return false;
            };
            used -= freed;
        }
        true
    }

    /// Removes the players who left first, down to [`KEPT_LEFT`].
    pub(crate) fn forget_left(&mut self) {
        while self.players.values().filter(|p| p.is_left()).count() > KEPT_LEFT {
            if self.forget_one(None).is_none() {
                return;
            }
        }
    }

    /// Removes the player who left first, but not `except`. Returns the player's stored bytes.
    fn forget_one(&mut self, except: Option<&PlayerId>) -> Option<usize> {
        let left = self.players.iter().filter(|(_, p)| p.is_left());
        let (id, _) = left
            .filter(|(id, _)| except != Some(id))
            .min_by_key(|(_, p)| p.left_at)?;
        let id = id.clone();
        let player = self.players.remove(&id)?;
        self.reject_bytes -= player.text_bytes();
        Some(player.stored_bytes(&id))
    }
}

impl RefusedSession {
    /// Cuts the text to its bound. A code that exceeds it becomes `rejected`.
    fn shorten(&mut self) {
        (self.code, self.message) = shortened(&self.code, &self.message)
            .unwrap_or_else(|| (ErrorKind::Rejected.code().to_owned(), String::new()));
    }
}
