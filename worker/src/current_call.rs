//! The call of a game from which a loop has not returned. Another thread reads it when the loop is stuck.

use std::sync::Arc;

use grandstand_common::id::{Partition, RoomId};
use grandstand_common::layout::Layout;
use grandstand_common::record::StuckEntry;
use parking_lot::Mutex;

use crate::crash_guard;

/// The call of a game that a loop is in, if any. Clones share it.
///
/// The lock is taken twice per entry by the loop, and by another thread only if the loop is stuck.
#[derive(Debug, Clone, Default)]
pub struct CurrentCall(Arc<Mutex<Option<Call>>>);

/// An entry of the log. The time tells it from an entry with the same sequence in a log that was created again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryId {
    pub(crate) seq: u64,
    pub(crate) time_ms: u64,
}

impl EntryId {
    /// In place of an entry: a call of a game outside of entries.
    pub(crate) const OUTSIDE: Self = Self { seq: 0, time_ms: 0 };
}

/// A call of a game.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    room: RoomId,
    entry: EntryId,
}

impl CurrentCall {
    /// Notes that a game is called for a room.
    pub(crate) fn begin(&self, room: &RoomId, entry: EntryId) {
        *self.0.lock() = Some(Call {
            room: room.clone(),
            entry,
        });
        crash_guard::enter();
    }

    /// Notes that the game has returned.
    pub(crate) fn end(&self) {
        crash_guard::leave();
        *self.0.lock() = None;
    }

    /// The call that has not returned, and its partition in `layout`.
    pub fn current(&self, layout: &Layout) -> Option<(Partition, StuckEntry)> {
        let call = self.0.lock().clone()?;
        let entry = StuckEntry {
            room: call.room,
            seq: call.entry.seq,
            time_ms: call.entry.time_ms,
            times: 1,
        };
        Some((layout.partition_of(&entry.room), entry))
    }
}
