//! Identifiers of rooms inside a core.

use grandstand_common::id::{Lane as LaneId, Partition, RoomId};

/// Identifies a room of this core. Keys are not reused, so a late message for a removed room finds no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomKey {
    index: u32,
    generation: u32,
}

impl RoomKey {
    /// The key of the room at `index` of the table, the `generation`th room that the core opened.
    pub(in crate::core) fn new(index: usize, generation: u32) -> Self {
        Self {
            index: index as u32,
            generation,
        }
    }

    /// The key of one of the room's lanes.
    pub(in crate::core) fn lane(self, lane: LaneId) -> LaneKey {
        LaneKey { room: self, lane }
    }

    /// The room's index in the table.
    pub(in crate::core) fn index(self) -> usize {
        self.index as usize
    }
}

/// Identifies a lane of a room of this core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneKey {
    pub(crate) room: RoomKey,
    /// The audience.
    pub(crate) lane: LaneId,
}

/// The identity of a room in this core and on the bus.
#[derive(Debug, Clone)]
pub(crate) struct RoomAddress {
    /// The key in this core.
    pub(crate) key: RoomKey,
    /// The name.
    pub(crate) id: RoomId,
    /// The partition that the name belongs to.
    pub(crate) partition: Partition,
}
