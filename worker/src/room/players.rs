//! Players of a room, with their sessions and the rejects of their inputs.

use std::collections::VecDeque;

use grandstand_common::id::{EdgeId, SessionId};
use grandstand_common::wire;
use serde::{Deserialize, Serialize};

/// The most rejects kept per player (D4).
const KEPT_REJECTS: usize = 64;
/// The most earlier sessions kept per player (D1).
const KEPT_SESSIONS: usize = 8;

/// Whether a player is connected, lost or has left.
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
    /// Whether an entry of the session's chain ended the session.
    pub(crate) ended: bool,
    /// The number of the last processed entry of the session's chain.
    pub(crate) n: u64,
    /// The `seq` of the last processed input of all sessions.
    pub(crate) last_seq: u64,
    pub(crate) client: String,
    pub(crate) attempt: u32,
    /// Earlier sessions, oldest first.
    pub(crate) sessions: VecDeque<SessionId>,
    pub(crate) rejects: VecDeque<KeptReject>,
    /// The room's event counter when the player left.
    pub(crate) left_at: u64,
    /// The round of the last reported gap. A gap is reported once per round.
    #[serde(skip)]
    pub(crate) gap_round: Option<u32>,
}

/// The reject of an input, kept so that a repeat of the input receives the same answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptReject {
    pub(crate) seq: u64,
    pub(crate) code: String,
    pub(crate) message: String,
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

    /// Whether an edge holds the session and can deliver messages to the player.
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

    pub(crate) fn keep_reject(&mut self, reject: KeptReject) {
        if self.rejects.len() == KEPT_REJECTS {
            self.rejects.pop_front();
        }
        self.rejects.push_back(reject);
    }

    /// The state of the session's chain, for its edge.
    pub(crate) fn processed(&self) -> wire::Processed {
        wire::Processed {
            session: self.session.0,
            n: self.n,
            last_seq: self.last_seq,
            gap: None,
            lost: self.presence == Presence::Lost && !self.ended,
            ended: self.ended,
        }
    }
}
