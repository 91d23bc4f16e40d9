//! The durable state of a room in real time: its owner, and the world of the last commit.

use bytes::Bytes;
use grandstand_common::id::Epoch;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The durable state of a room in real time beside its game.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RealtimeState {
    /// The epoch of the owner that began last.
    pub(crate) epoch: Epoch,
    /// The number of that owner's last commit; 0 if it has made none.
    pub(crate) no: u64,
    /// The world of the last commit; `None` if worlds of this game are not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) world: Option<StampedWorld>,
}

/// A world, and when it was so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StampedWorld {
    /// The epoch of the owner that moved it.
    pub(crate) epoch: Epoch,
    /// The number of its last tick.
    pub(crate) tick: u64,
    /// The version of the game.
    pub(crate) version: u32,
    /// The world as JSON.
    pub(crate) text: WorldText,
}

impl StampedWorld {
    /// Whether this world is later than another one. Owners count ticks on, so a later owner's world is later.
    pub(crate) fn is_after(&self, other: &Self) -> bool {
        (self.epoch, self.tick) > (other.epoch, other.tick)
    }
}

/// A world as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct WorldText(pub(crate) Box<RawValue>);

impl PartialEq for WorldText {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl WorldText {
    /// The world of an entry; `None` if there is none, or it is not JSON.
    pub(super) fn from_entry(bytes: &Bytes) -> Option<Self> {
        let text = String::from_utf8(bytes.to_vec()).ok()?;
        RawValue::from_string(text).ok().map(Self)
    }
}
