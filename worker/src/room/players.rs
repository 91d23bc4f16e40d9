//! Players of a room, with their sessions and the rejects of their inputs.

use std::collections::VecDeque;

use grandstand_common::error::ErrorKind;
use grandstand_common::id::{EdgeId, PlayerId, SessionId};
use grandstand_common::wire;
use grandstand_game::Reject;
use serde::{Deserialize, Serialize};

use super::rejects::{KeptReject, is_zero, shortened, stored_len};

/// The number of inputs before the last one that may still be repeated: the window of an edge.
const WINDOW: u64 = 64;
/// The most texts kept per player.
const KEPT_TEXTS: usize = 8;
/// The most earlier sessions kept per player (D1).
const KEPT_SESSIONS: usize = 8;
/// The most bytes of an earlier session in a snapshot.
pub(super) const SESSION_BYTES: usize = 21;
/// The most bytes of a player in a snapshot, without names, earlier sessions and rejects.
const STORED_BYTES: usize = 350;

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
    /// The code with which the player was taken out of the room; empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) kicked: String,
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
            kicked: String::new(),
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
        self.kicked.clear();
        self.gap_round = None;
    }

    /// The code with which the player was taken out of the room, unless the player has come back.
    pub(super) fn kicked(&self) -> Option<&str> {
        (!self.kicked.is_empty()).then_some(&self.kicked)
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

/// The rejects of the player's inputs.
impl Player {
    /// Makes `seq` the last input. Forgets texts that are not needed any more, and returns their stored bytes.
    pub(super) fn advance(&mut self, seq: u64) -> usize {
        let steps = u32::try_from(seq - self.last_seq).unwrap_or(u32::MAX);
        self.refused_seqs = self.refused_seqs.checked_shl(steps).unwrap_or(0);
        self.last_seq = seq;
        let mut freed = 0;
        while self
            .rejects
            .front()
            .is_some_and(|kept| kept.seq + WINDOW <= seq)
        {
            freed += self.drop_oldest_text();
        }
        freed
    }

    /// Notes that the last input, with sequence `at` in the log, was rejected. Returns the growth in stored bytes.
    pub(super) fn keep_reject(&mut self, reject: &Reject, at: u64) -> isize {
        self.refused_seqs |= 1;
        let Some((code, message)) = shortened(&reject.code, &reject.message) else {
            return 0;
        };
        let freed = match self.rejects.len() {
            KEPT_TEXTS.. => self.drop_oldest_text(),
            _ => 0,
        };
        let kept = KeptReject {
            seq: self.last_seq,
            code,
            message,
            at,
        };
        let bytes = kept.stored_bytes();
        self.rejects.push_back(kept);
        bytes.cast_signed() - freed.cast_signed()
    }

    /// The sequence in the log of the input whose text is the oldest.
    pub(super) fn oldest_text(&self) -> Option<u64> {
        self.rejects.front().map(|kept| kept.at)
    }

    /// Forgets the oldest text, and returns its stored bytes.
    pub(super) fn drop_oldest_text(&mut self) -> usize {
        self.rejects
            .pop_front()
            .map_or(0, |kept| kept.stored_bytes())
    }

    /// Forgets all texts, and returns their stored bytes.
    pub(super) fn drop_texts(&mut self) -> usize {
        let freed = self.text_bytes();
        self.rejects.clear();
        freed
    }

    /// The stored bytes of all texts.
    pub(super) fn text_bytes(&self) -> usize {
        self.rejects.iter().map(KeptReject::stored_bytes).sum()
    }

    /// Brings the rejects that any build stored into the form and the bounds of this one.
    pub(super) fn restore_rejects(&mut self) {
        let last_seq = self.last_seq;
        self.rejects
            .retain(|kept| kept.seq <= last_seq && kept.seq + WINDOW > last_seq);
        for kept in &self.rejects {
            self.refused_seqs |= 1 << (last_seq - kept.seq);
        }
        if self.is_left() {
            self.rejects.clear();
        }
        self.rejects
            .retain_mut(|kept| match shortened(&kept.code, &kept.message) {
                Some((_, message)) => {
                    kept.message = message;
                    true
                }
                None => false,
            });
        let excess = self.rejects.len().saturating_sub(KEPT_TEXTS);
        self.rejects.drain(..excess);
    }

    /// The answer to a repeat of an input; `None` if it was not rejected, or is too old to be repeated.
    pub(super) fn rejected(&self, seq: u64) -> Option<wire::Rejected> {
        let age = self.last_seq.checked_sub(seq).filter(|&age| age < WINDOW)?;
        if self.refused_seqs & (1 << age) == 0 {
            return None;
        }
        let text = self.rejects.iter().find(|kept| kept.seq == seq);
        let (code, message) = match text {
            Some(kept) => (kept.code.clone(), kept.message.clone()),
            None => (ErrorKind::Rejected.code().to_owned(), String::new()),
        };
        Some(wire::Rejected {
            session: self.session.0,
            seq,
            code,
            message,
        })
    }

    /// The answers to all inputs that were rejected and may be repeated, oldest first.
    pub(crate) fn all_rejected(&self) -> impl Iterator<Item = wire::Rejected> {
        let first = self.last_seq.saturating_sub(WINDOW - 1).max(1);
        (first..=self.last_seq).filter_map(|seq| self.rejected(seq))
    }
}

/// The most bytes that a player without earlier sessions takes in a snapshot.
pub(super) fn stored_bytes(id: &PlayerId, edge: &EdgeId, client: &str) -> usize {
    STORED_BYTES + stored_len(id.as_str()) + stored_len(edge.as_str()) + stored_len(client)
}
