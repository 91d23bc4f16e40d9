//! The rooms of a client.

use std::time::Instant;

use grandstand_common::id::Lane as LaneId;
use smallvec::SmallVec;

use crate::core::ids::{LaneKey, RoomKey};

/// A client's `join`, until it is answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct JoinRequest {
    /// The `join`'s id.
    pub(crate) id: Option<u64>,
    /// The last version that the client has, and its epoch.
    pub(crate) since: Option<(u64, String)>,
    /// `joined` was sent.
    pub(crate) joined_sent: bool,
    /// Live messages may come as datagrams.
    pub(crate) datagrams: bool,
    /// The time at which the client is told that the room is unavailable; `None` if it was told.
    pub(crate) due: Option<Instant>,
}

/// A client's membership of a room.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) room: RoomKey,
    pub(crate) lane: LaneId,
    /// The session of a player; 0 for spectators.
    pub(crate) session: u64,
    /// The lane's term in which it began.
    pub(crate) term: u32,
    /// The index among the lane's members; `None` until the first snapshot is sent.
    pub(crate) slot: Option<u32>,
    /// `joined` was sent.
    pub(crate) answered: bool,
    /// The `join` has brought a token, so that the client's own need not grant the room.
    pub(crate) is_invited: bool,
    /// The `join` that is still to be answered.
    pub(crate) request: Option<Box<JoinRequest>>,
}

impl Membership {
    /// The lane that it belongs to.
    pub(crate) fn at(&self) -> LaneKey {
        self.room.lane(self.lane)
    }
}

/// The rooms of one client. Almost all clients are in one room.
pub(crate) type Memberships = SmallVec<[Membership; 1]>;
