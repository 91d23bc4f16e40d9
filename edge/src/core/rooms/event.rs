//! What happens to a lane, and what comes of it.

use std::sync::Arc;

use grandstand_common::data::Data;
use grandstand_common::envelope::{Players, ServerMessage};
use grandstand_common::id::{Epoch, Instance, RoomId};
use grandstand_common::wire::Presence;

/// What an event weighs beside its data, in bytes.
pub(super) const EVENT_OVERHEAD: usize = 128;

/// What happens to a lane.
#[derive(Debug, Clone)]
pub(crate) enum LaneEvent {
    /// Another owner, or another room of that name (D15).
    Begin(Epoch, Instance),
    /// The whole view.
    Snapshot {
        /// The version that it shows.
        version: u64,
        /// The view.
        data: Data,
        /// Members need it; else updates bring them there, and it is for those who come late.
        whole: bool,
    },
    /// A change.
    Update {
        /// The version that it leads to.
        version: u64,
        /// Of those with the same key the latest suffices; empty if each is needed.
        key: String,
        /// The change.
        data: Data,
    },
    /// A lossy message.
    Live(Data),
    /// Who is there.
    Presence(Arc<Presence>),
    /// Everybody leaves, for this reason.
    End(String),
}

impl LaneEvent {
    /// What it weighs while it is delayed, in bytes.
    pub(super) fn weight(&self) -> usize {
        EVENT_OVERHEAD
            + match self {
                Self::Snapshot { data, .. } | Self::Live(data) => data.len(),
                Self::Update { key, data, .. } => 2 * key.len() + data.len(),
                Self::Presence(presence) => presence.players.len() * 64,
                Self::Begin(..) | Self::End(_) => 0,
            }
    }
}

/// What became of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpdateOutcome {
    /// It is on its way to the members.
    New,
    /// The lane had it.
    Old,
    /// One before it is missing, or there is no snapshot to apply it to: ask the owner.
    Gap,
}

/// What becomes of an event that is offered to a lane.
#[derive(Debug)]
pub(crate) enum Offer {
    /// The lane is not delayed: the event is to be applied now.
    Due(LaneEvent),
    /// The lane shows it later.
    Delayed(UpdateOutcome),
}

/// What comes of an event that a lane was shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// Nothing beyond the lane.
    Nothing,
    /// The lane has a snapshot: clients that wait for it can be answered.
    HasSnapshot,
    /// An update was taken, or not.
    Updated(UpdateOutcome),
    /// All members leave, for this reason.
    Ended(String),
}

/// What clients are told of who is in a room.
pub(crate) fn presence_message<'a>(room: &'a RoomId, presence: &'a Presence) -> ServerMessage<'a> {
    let players = if presence.players.len() < presence.count as usize {
        Players::Count(presence.count)
    } else {
        Players::List(
            presence
                .players
                .iter()
                .map(|p| (p.id.as_str(), !p.lost))
                .collect(),
        )
    };
    ServerMessage::Presence {
        room,
        players,
        viewers: presence.viewers,
    }
}
