//! Turns the stored snapshot of a room into a room in memory.

use bytes::Bytes;
use grandstand_common::id::{EdgeId, RoomId};

use super::change::{Change, ResidenceChange};
use super::panic_restore::RestorePoint;
use super::residence::{Loaded, Residence};
use crate::context::Context;
use crate::current_call::EntryId;
use crate::room::Room;
use crate::stored::error::DecodeError;
use crate::stored::outlet::PendingItem;
use crate::stored::snapshot;

/// A stored snapshot of a room.
#[derive(Debug)]
pub(super) struct FoundSnapshot {
    pub(super) value: Bytes,
    pub(super) revision: u64,
    /// The last entry of the log that it covers.
    pub(super) covered: u64,
    /// Whether an earlier owner wrote it.
    pub(super) is_earlier: bool,
}

/// The reason why a room cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("is not the one that this worker stored")]
    Changed,
}

/// Decodes a stored snapshot, which covers the log up to entry `covered`. Returns the room in memory and its change;
/// `None` if the snapshot says that the room was deleted.
pub(super) fn decode(
    cx: &Context,
    id: &RoomId,
    value: Bytes,
    covered: u64,
) -> Result<Option<(Residence, Change)>, DecodeError> {
    let decode = || Ok(snapshot::decode(&cx.games, id, &value, covered));
    let room = cx
        .call(id, EntryId::OUTSIDE, decode)
        .unwrap_or_else(|error| Err(error.into()))?;
    let items = snapshot::decode_outlet(&value)?;
    Ok(room.map(|room| loaded(room, items, value, covered)))
}

/// Returns the edges that hold connected players' sessions, if they may have changed.
pub(super) fn changed_edges(room: &mut Room) -> Option<Vec<EdgeId>> {
    room.take_moved().then(|| room.edges().cloned().collect())
}

/// Returns the residence of a room that was decoded from snapshot `value`, which covers the log up to entry `covered`,
/// and the room's change.
fn loaded(
    mut room: Room,
    items: Vec<PendingItem>,
    value: Bytes,
    covered: u64,
) -> (Residence, Change) {
    let change = Change {
        edges: changed_edges(&mut room),
        items,
        residence: ResidenceChange::Loaded,
        ..Change::default()
    };
    let restore = RestorePoint::from_snapshot(value, covered);
    (Residence::Loaded(Loaded::new(room, restore, None)), change)
}
