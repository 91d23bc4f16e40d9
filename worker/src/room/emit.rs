//! What comes of an entry, for whoever carries it to the edges.

use grandstand_common::data::Data;
use grandstand_common::id::{EdgeId, SessionId};
use grandstand_common::wire::{self, ItemKind};

use super::players::Player;

/// One thing that an entry caused, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Emit {
    /// To every edge that watches one of the lanes that it is for.
    Update(wire::Update),
    /// To one edge, about one of its sessions.
    ToEdge(EdgeId, ItemKind),
    /// A session begins: its edge watches the players' lane from now on, and gets the lane's snapshot if it did not,
    /// then these.
    Joined(Box<Welcome>),
    /// Who is there has changed.
    Presence,
    /// The room is to be deleted.
    Deleted,
}

impl Emit {
    /// Whether it says that an input was refused.
    pub(crate) fn is_reject(&self) -> bool {
        matches!(self, Self::ToEdge(_, ItemKind::Rejected(_)))
    }
}

/// What a session's edge gets at its begin, or when it asks for what it lacks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Welcome {
    pub(crate) edge: EdgeId,
    pub(crate) session: SessionId,
    /// What only the player may see.
    pub(crate) direct: Option<Data>,
    /// The kept rejects.
    pub(crate) rejects: Vec<wire::Rejected>,
    pub(crate) processed: wire::Processed,
}

impl Welcome {
    /// The welcome of `player`'s current session.
    pub(super) fn of(player: &Player, direct: Option<Data>) -> Self {
        let session = player.session.0;
        let rejects = player.rejects.iter().map(|reject| wire::Rejected {
            session,
            seq: reject.seq,
            code: reject.code.clone(),
            message: reject.message.clone(),
        });
        Self {
            edge: player.edge.clone(),
            session: player.session,
            direct,
            rejects: rejects.collect(),
            processed: player.processed(),
        }
    }

    /// The items, in order.
    pub(crate) fn into_items(self) -> impl Iterator<Item = ItemKind> {
        let session = self.session.0;
        let direct = self.direct.map(|data| {
            ItemKind::Direct(wire::Direct {
                session,
                data: Some(data),
            })
        });
        direct
            .into_iter()
            .chain(self.rejects.into_iter().map(ItemKind::Rejected))
            .chain([ItemKind::Processed(self.processed)])
    }
}
