//! The call of a game from which a loop has not returned. Another thread reads it when the loop is stuck.

use std::sync::Arc;

use grandstand_common::id::{Partition, RoomId};
use grandstand_common::layout::Layout;
use grandstand_common::record::StuckEntry;
use parking_lot::Mutex;

/// The call of a game that a loop is in, if any. Clones share it.
///
/// The lock is taken twice per entry by the loop, and by another thread only if the loop is stuck.
#[derive(Debug, Clone, Default)]
pub struct CurrentCall(Arc<Mutex<Option<Call>>>);

/// A call of a game.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    room: RoomId,
    seq: u64,
    time_ms: u64,
}

impl CurrentCall {
    /// Notes that a game is called for a room. `entry` is the sequence and the time of the entry; 0 outside of entries.
    pub(crate) fn begin(&self, room: &RoomId, (seq, time_ms): (u64, u64)) {
        *self.0.lock() = Some(Call {
            room: room.clone(),
            seq,
            time_ms,
        });
    }

    /// Notes that the game has returned.
    pub(crate) fn end(&self) {
        *self.0.lock() = None;
    }

    /// The call that has not returned, and its partition in `layout`.
    pub fn current(&self, layout: &Layout) -> Option<(Partition, StuckEntry)> {
        let call = self.0.lock().clone()?;
        let entry = StuckEntry {
            room: call.room,
            seq: call.seq,
            time_ms: call.time_ms,
            times: 1,
        };
        Some((layout.partition_of(&entry.room), entry))
    }
}
