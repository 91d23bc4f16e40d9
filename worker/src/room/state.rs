//! What a room keeps beside its game's state: players, timers, counters. All of it is in the snapshot.

use std::collections::{BTreeMap, VecDeque};

use grandstand_common::id::{EdgeId, Instance, PlayerId, SessionId};
use serde::{Deserialize, Serialize};

use grandstand_game::Refusal;

/// Rejects kept per player (D4).
const KEPT_REJECTS: usize = 64;
/// Sessions remembered per player (D1), the current one not counted.
const KEPT_SESSIONS: usize = 8;
/// Refused sessions remembered per room, so that a repeated `Joined` is answered as the first was.
const KEPT_REFUSALS: usize = 32;
/// Players who left that are remembered, for their `last_seq` and sessions.
const KEPT_LEFT: usize = 256;

/// A room's own durable part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
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

/// Whether a player is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Presence {
    Connected,
    Lost,
    Left,
}

/// A player of a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Player {
    pub(crate) session: SessionId,
    pub(crate) edge: EdgeId,
    pub(crate) presence: Presence,
    /// The session's own last entry ended it.
    pub(crate) ended: bool,
    /// The last processed entry of the session's chain.
    pub(crate) n: u64,
    /// The last processed input, across sessions.
    pub(crate) last_seq: u64,
    pub(crate) client: String,
    pub(crate) attempt: u32,
    /// Earlier sessions, oldest first.
    pub(crate) sessions: VecDeque<SessionId>,
    pub(crate) rejects: VecDeque<Reject>,
    /// The room's event counter when the player left.
    pub(crate) left_at: u64,
    /// The round of the last gap that was named: the edge is told once a round.
    #[serde(skip)]
    pub(crate) gap_round: Option<u32>,
}

/// An input that was refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reject {
    pub(crate) seq: u64,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl State {
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

    pub(crate) fn remember_refused(&mut self, session: SessionId, refusal: &Refusal) {
        if self.refused.len() == KEPT_REFUSALS {
            self.refused.pop_front();
        }
        self.refused.push_back(RefusedSession {
            session,
            code: refusal.code.clone(),
            message: refusal.message.clone(),
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

impl Player {
    pub(crate) fn new(session: SessionId, edge: EdgeId) -> Self {
        Self {
            session,
            edge,
            presence: Presence::Connected,
            ended: false,
            n: 0,
            last_seq: 0,
            client: String::new(),
            attempt: 0,
            sessions: VecDeque::new(),
            rejects: VecDeque::new(),
            left_at: 0,
            gap_round: None,
        }
    }

    /// Whether the session is held by an edge that gets what is for the player.
    pub(crate) fn is_reachable(&self) -> bool {
        !self.ended
    }

    pub(crate) fn begin(&mut self, session: SessionId, edge: EdgeId) {
        if self.sessions.len() == KEPT_SESSIONS {
            self.sessions.pop_front();
        }
        self.sessions.push_back(self.session);
        self.session = session;
        self.edge = edge;
        self.presence = Presence::Connected;
        self.ended = false;
        self.n = 0;
        self.gap_round = None;
    }

    pub(crate) fn keep_reject(&mut self, reject: Reject) {
        if self.rejects.len() == KEPT_REJECTS {
            self.rejects.pop_front();
        }
        self.rejects.push_back(reject);
    }
}
