//! Rooms, as operators see them.

use grandstand_common::id::RoomId;
use grandstand_common::listing::Listing;
use grandstand_game::host::StateHash;
use serde::Serialize;

use super::known_room::KnownRoom;
use super::residence::Residence;
use super::state::PartitionState;
use crate::stored::snapshot::StoredState;

/// A room, as its owner knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ListedRoom {
    pub(crate) room: String,
    pub(crate) partition: u16,
    /// The epoch of the owner.
    pub(crate) epoch: u64,
    /// `loaded`: in memory; `stored`: in its snapshot only; `quarantined`: it cannot run; `too_new`: a later version of the
    /// game stored it.
    pub(crate) state: &'static str,
    /// The instance; `None` for a room that does not run.
    pub(crate) instance: Option<String>,
    /// The code that clients of a room get that does not run.
    pub(crate) code: Option<&'static str>,
    /// The connected players of a room in memory.
    pub(crate) players: usize,
    pub(crate) spectators: u64,
    /// The shards of edges that watch it.
    pub(crate) edges: usize,
    /// Whether shared messages are published once for all edges.
    pub(crate) is_hot: bool,
    /// The last entry of the log that a room in memory has applied; `None` for other rooms.
    pub(crate) last: Option<u64>,
    /// The items that it has sent out and that are not acked.
    pub(crate) unacked: usize,
    /// Whether its entries wait until enough of them are acked.
    pub(crate) is_waiting: bool,
    /// Its entry in lobbies, as of the last write; `None` for none.
    pub(crate) listing: Option<Listing>,
}

/// The state of a room in memory, to compare it with a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveState {
    /// The last entry of the log that the room has applied.
    pub last: u64,
    /// The hash of the state; `None` if the state cannot be serialized.
    pub hash: Option<StateHash>,
}

/// A page that is being filled.
#[derive(Debug)]
pub(crate) struct Page {
    items: Vec<ListedRoom>,
    limit: usize,
    /// The slots that may still be looked at.
    slots: usize,
}

impl Page {
    /// An empty page of at most `limit` items, for which at most `slots` slots are looked at.
    pub(crate) fn new(limit: usize, slots: usize) -> Self {
        Self {
            items: Vec::new(),
            limit,
            slots,
        }
    }

    pub(crate) fn into_items(self) -> Vec<ListedRoom> {
        self.items
    }

    /// Whether a further slot may be looked at.
    fn take_slot(&mut self) -> bool {
        let has_space = self.items.len() < self.limit && self.slots > 0;
        self.slots -= usize::from(has_space);
        has_space
    }
}

/// Adds the rooms in slots from `from` on. Returns the slot to continue from if the page is full.
pub(super) fn list(state: &PartitionState, from: usize, page: &mut Page) -> Option<usize> {
    let known = state.rooms.known();
    for slot in from..known.slots() {
        if !page.take_slot() {
            return Some(slot);
        }
        let found = known
            .at(slot)
            .and_then(|(id, room)| listed(state, id, room));
        page.items.extend(found);
    }
    None
}

pub(super) fn show(state: &PartitionState, id: &RoomId) -> Option<ListedRoom> {
    listed(state, id, state.rooms.known().get(id)?)
}

pub(super) fn live_state(state: &PartitionState, id: &RoomId) -> Option<LiveState> {
    let room = state.rooms.known().get(id)?.room()?;
    let stored = StoredState::new(room).ok();
    Some(LiveState {
        last: room.last(),
        hash: stored.map(|stored| stored.hash()),
    })
}

/// `None` for a room that was deleted.
fn listed(state: &PartitionState, id: &RoomId, room: &KnownRoom) -> Option<ListedRoom> {
    let is = match room.residence() {
        Residence::Loaded(_) => "loaded",
        Residence::Stored(_) => "stored",
        Residence::Quarantined(_) => "quarantined",
        Residence::TooNew(_) => "too_new",
        Residence::Deleted(_) => return None,
    };
    let instance = room.instance();
    Some(ListedRoom {
        room: id.to_string(),
        partition: state.tenure.id.0,
        epoch: state.tenure.epoch.0,
        state: is,
        instance: (instance.0 != 0).then(|| instance.to_string()),
        code: room.refusal(),
        players: room.room().map_or(0, |room| room.connected_players()),
        spectators: state.audiences.viewers(id).unwrap_or(0),
        edges: state.audiences.edges(id).len(),
        is_hot: state.audiences.is_hot(id),
        last: room.room().map(|room| room.last()),
        unacked: state.outlets.items(id).len(),
        is_waiting: state.outlets.is_held(id),
        listing: state.lobby.listing(id).cloned(),
    })
}
