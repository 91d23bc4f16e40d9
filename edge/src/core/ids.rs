//! How rooms are identified inside a core.

use grandstand_common::id::{Partition, RoomId};

/// A room of this core. A key is never used twice: a late message for a removed room finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomKey {
    index: u32,
    generation: u32,
}

impl RoomKey {
    /// The key of the room at `index` of the table, which is the `generation`th room of the core.
    pub(in crate::core) fn new(index: usize, generation: u32) -> Self {
        Self {
            index: index as u32,
            generation,
        }
    }

    /// The room's index in the table.
    pub(in crate::core) fn index(self) -> usize {
        self.index as usize
    }
}

/// Where a room is found: in this core and on the bus.
#[derive(Debug, Clone)]
pub(crate) struct RoomAddress {
    /// Its key in this core.
    pub(crate) key: RoomKey,
    /// Its name.
    pub(crate) id: RoomId,
    /// The partition that the name belongs to.
    pub(crate) partition: Partition,
}
