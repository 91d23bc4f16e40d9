//! The sender of an entry, and the answers that end its session.

use grandstand_common::id::{EdgeId, PlayerId, SessionId};
use grandstand_common::wire::{self, ItemKind};

use super::emit::Emit;

/// The sender of an entry and the entry's place in its chain.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) player: PlayerId,
    pub(super) session: SessionId,
    pub(super) edge: EdgeId,
    pub(super) n: u64,
    pub(super) round: u32,
}

impl Sender {
    /// The sender of `entry`; `None` if the player or edge is not a valid name.
    pub(super) fn from_entry(entry: &wire::Entry) -> Option<Self> {
        Some(Self {
            player: entry.player.parse().ok()?,
            session: SessionId(entry.session),
            edge: entry.edge.parse().ok()?,
            n: entry.n,
            round: entry.round,
        })
    }

    /// Tells the sender that its session is over.
    pub(super) fn gone(&self, code: &str) -> Emit {
        let gone = wire::Gone {
            session: self.session.0,
            code: code.to_owned(),
            n: self.n,
            round: self.round,
        };
        Emit::ToEdge(self.edge.clone(), ItemKind::Gone(gone))
    }

    /// Tells the sender that its `join` is refused.
    pub(super) fn refused(&self, code: &str, message: &str) -> Emit {
        let refused = wire::Refused {
            session: self.session.0,
            code: code.to_owned(),
            message: message.to_owned(),
        };
        Emit::ToEdge(self.edge.clone(), ItemKind::Refused(refused))
    }
}
