//! The room of an item.

use grandstand_common::id::{Epoch, Instance, RoomId};

/// The room of an item, with its epoch and instance.
#[derive(Debug, Clone)]
pub(crate) struct RoomHead {
    pub(crate) room: RoomId,
    pub(crate) epoch: Epoch,
    pub(crate) instance: Instance,
}

/// An item that is larger than the largest message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an item of {bytes} bytes is larger than the largest message")]
pub(crate) struct ItemTooBig {
    pub(crate) bytes: usize,
}
