//! The room that an item is about.

use grandstand_common::id::{Epoch, Instance, RoomId};

/// The room that an item is about.
#[derive(Debug, Clone)]
pub(crate) struct RoomHead {
    pub(crate) room: RoomId,
    pub(crate) epoch: Epoch,
    pub(crate) instance: Instance,
}

/// An item that no message can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an item of {bytes} bytes is larger than a message may be")]
pub(crate) struct ItemTooBig {
    pub(crate) bytes: usize,
}
