//! Events of a lane, and their outcomes.

use std::sync::Arc;

use grandstand_common::data::Data;
use grandstand_common::envelope::{Players, ServerMessage};
use grandstand_common::id::{Epoch, Instance, RoomId};
use grandstand_common::wire::Presence;

/// The weight of an event beside its data, in bytes.
pub(super) const EVENT_OVERHEAD: usize = 128;

/// The view of a lane.
#[derive(Debug, Clone)]
pub(crate) struct LaneView {
    /// The view.
    pub data: Data,
    /// Whether the updates that follow are JSON merge patches.
    pub is_patched: bool,
}

/// An event of a lane.
#[derive(Debug, Clone)]
pub(crate) enum LaneEvent {
    /// A new owner, or a new room of the same name (D15).
    Begin(Epoch, Instance),
    Snapshot {
        /// The version that it shows.
        version: u64,
        /// The view.
        view: LaneView,
        /// Members need it. Otherwise their updates lead to it, and only clients that join later need it.
        whole: bool,
    },
    Update {
        /// The version that it leads to.
        version: u64,
        /// The key of the update: only the latest with the same key is needed. Empty if all are needed.
        key: String,
        /// The update's data.
        data: Data,
        /// The arrival of the input that caused it, in Unix microseconds; 0 if none did, or if it is not known.
        arrived_us: u64,
    },
    /// A live message.
    Live(Data),
    /// A frame of a room in real time, of which only the newest matters.
    Frame(Data),
    /// The players in the room and the number of spectators.
    Presence(Arc<Presence>),
    /// The end of the room, with the code that `left` tells clients.
    End(String),
}

impl LaneEvent {
    /// The arrival of the input that caused it, in Unix microseconds; 0 if none did, or if it is not known.
    pub(crate) fn arrived_us(&self) -> u64 {
        match self {
            Self::Update { arrived_us, .. } => *arrived_us,
            _ => 0,
        }
    }

    /// The memory that it takes while it is delayed, in bytes.
    pub(super) fn weight(&self) -> usize {
        EVENT_OVERHEAD
            + match self {
                Self::Snapshot { view, .. } => view.data.len(),
                Self::Live(data) | Self::Frame(data) => data.len(),
                Self::Update { key, data, .. } => 2 * key.len() + data.len(),
                Self::Presence(presence) => presence.players.len() * 64,
                Self::Begin(..) | Self::End(_) => 0,
            }
    }
}

/// The outcome of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpdateOutcome {
    /// The update is queued or delayed.
    New,
    /// The update is dropped: the lane has it already, or needs a snapshot first.
    Old,
    /// An earlier update or the snapshot is missing: the caller asks the owner for it.
    Gap,
}

/// The outcome of an event that is offered to a lane.
#[derive(Debug)]
pub(crate) enum OfferOutcome {
    /// The lane is not delayed. The caller applies the event now.
    Due(LaneEvent),
    /// The lane has delayed the event.
    Delayed(UpdateOutcome),
}

/// The outcome of an event that is applied to a lane.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ApplyOutcome {
    /// The event concerns the lane only.
    Nothing,
    /// The lane has a snapshot, so waiting clients can be answered.
    HasSnapshot,
    /// An update was applied or dropped.
    Updated(UpdateOutcome),
    /// All members leave, with this code.
    Ended(String),
}

/// The message that tells clients a room's presence.
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
