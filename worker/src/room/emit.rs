//! The output of a room for the edges.

use grandstand_common::data::Data;
use grandstand_common::id::{EdgeId, Lane, PlayerId, SessionId};
use grandstand_common::wire::{self, ItemKind};
use grandstand_game::host::Outgoing;
use grandstand_game::{Invitation, Reject};

use super::players::Player;

/// One output of an entry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Emit {
    /// An update for each edge that watches one of its lanes.
    Update(wire::Update),
    /// A change of a lane's view that is sent as a snapshot.
    Snapshot(Lane),
    /// A fault of the game, which is logged and counted.
    Fault,
    /// The game rejected the input of its own bot.
    BotRejected(PlayerId, Reject),
    /// An item for one edge, about one of its sessions.
    ToEdge(EdgeId, ItemKind),
    /// A session begins. Its edge watches the players' lane from now on. It receives the lane's snapshot if it did not
    /// watch the lane before, then the welcome.
    Joined(Box<Welcome>),
    /// A player is invited to another room.
    Invited(Box<Invited>),
    /// The presence has changed.
    Presence,
    /// An item goes out of the room.
    Out(Outgoing),
    /// The room must be deleted.
    Deleted,
}

impl Emit {
    /// The reject of an input that it reports.
    pub(crate) fn reject(&self) -> Option<&wire::Rejected> {
        match self {
            Self::ToEdge(_, ItemKind::Rejected(rejected)) => Some(rejected),
            _ => None,
        }
    }
}

/// An invitation for a session of the player.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Invited {
    pub(crate) edge: EdgeId,
    pub(crate) session: SessionId,
    pub(crate) invitation: Invitation,
    /// The time of the event, Unix milliseconds.
    pub(crate) now_ms: u64,
}

/// The items that a session's edge receives when the session begins, or on request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Welcome {
    pub(crate) edge: EdgeId,
    pub(crate) session: SessionId,
    /// The private view of the player, or the game's last private message.
    pub(crate) direct: Option<Data>,
    /// The kept rejects, oldest first.
    pub(crate) rejects: Vec<wire::Rejected>,
    pub(crate) processed: wire::Processed,
}

impl Welcome {
    /// The welcome of `player`'s current session.
    pub(super) fn new(player: &Player, direct: Option<Data>) -> Self {
        Self {
            edge: player.edge.clone(),
            session: player.session,
            direct,
            rejects: player.all_rejected().collect(),
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
