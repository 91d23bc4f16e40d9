//! Worlds as they are stored apart from their rooms.

use bytes::Bytes;
use grandstand_common::id::{Epoch, Instance};
use serde::{Deserialize, Serialize};

use crate::room::{StampedWorld, WorldText};

/// The most bytes of a world.
pub(crate) const MAX_WORLD_BYTES: usize = 256 * 1024;

/// The world of a room.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WorldRecord {
    /// The epoch of the owner that wrote it.
    epoch: Epoch,
    /// The instance of the room.
    instance: Instance,
    /// The number of the last tick.
    tick: u64,
    /// The version of the game.
    version: u32,
    /// The world.
    world: WorldText,
}

/// Encodes the world of a room's instance.
pub(crate) fn encode(instance: Instance, world: StampedWorld) -> Result<Bytes, serde_json::Error> {
    let record = WorldRecord {
        epoch: world.epoch,
        instance,
        tick: world.tick,
        version: world.version,
        world: world.text,
    };
    serde_json::to_vec(&record).map(Bytes::from)
}

/// Decodes a world. Returns `None` if it is that of another instance.
pub(crate) fn decode(
    value: &[u8],
    instance: Instance,
) -> Result<Option<StampedWorld>, serde_json::Error> {
    let record: WorldRecord = serde_json::from_slice(value)?;
    Ok((record.instance == instance).then_some(StampedWorld {
        epoch: record.epoch,
        tick: record.tick,
        version: record.version,
        text: record.world,
    }))
}
