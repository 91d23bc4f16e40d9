//! Players of a room, with their sessions and the rejects of their inputs.

use std::collections::VecDeque;

use grandstand_common::id::{EdgeId, PlayerId, SessionId};
use grandstand_common::wire;
use serde::{Deserialize, Serialize};

use super::rejects::{KeptReject, is_zero, stored_len};

/// The most earlier sessions kept per player (D1).
const KEPT_SESSIONS: usize = 8;
/// The most bytes of an earlier session in a snapshot.
pub(super) const SESSION_BYTES: usize = 21;
/// The most bytes of a player in a snapshot, without names, earlier sessions and rejects.
const STORED_BYTES: usize = 300;

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
    /// The texts of the last rejects, oldest first.
    pub(super) rejects: VecDeque<KeptReject>,
    /// The room's event counter when the player left.
    pub(crate) left_at: u64,
    /// The rejected inputs among the last 64: bit i is that of `last_seq - i`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) refused_seqs: u64,
    /// The round of the last reported gap. A gap is reported once per round.
    #[serde(skip)]
    pub(crate) gap_round: Option<u32>,
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
            refused_seqs: 0,
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

    pub(crate) fn is_left(&self) -> bool {
        self.presence == Presence::Left
    }

    /// The most bytes that the player takes in a snapshot, without the texts of rejects.
    pub(super) fn stored_bytes(&self, id: &PlayerId) -> usize {
        let sessions = self.sessions.len() * SESSION_BYTES;
        stored_bytes(id, &self.edge, &self.client) + sessions
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

/// The most bytes that a player without earlier sessions takes in a snapshot.
pub(super) fn stored_bytes(id: &PlayerId, edge: &EdgeId, client: &str) -> usize {
    STORED_BYTES + stored_len(id.as_str()) + stored_len(edge.as_str()) + stored_len(client)
}
