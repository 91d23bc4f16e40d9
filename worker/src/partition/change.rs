//! What becomes of a room.

use grandstand_common::id::{EdgeId, Instance};

use crate::room::{Emit, Logged};
use crate::stored::quarantine::QuarantineReason;

/// What has become of a room, for all that follow it.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// The entry that did it; 0 if none did.
    pub(super) seq: u64,
    pub(super) emits: Vec<Emit>,
    /// The edges that hold connected players' sessions; `None` if they are as before.
    pub(super) edges: Option<Vec<EdgeId>>,
    pub(super) residence: ResidenceChange,
}

/// How a room's residence has changed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResidenceChange {
    /// Not at all.
    #[default]
    Unchanged,
    /// It exists from now on; an entry had deleted it before.
    Created(Option<u64>),
    /// It does not exist any more: this instance was deleted.
    Deleted(Instance),
    /// It came into memory.
    Loaded,
    /// It left memory.
    Unloaded,
    /// It is out of service.
    Quarantined,
    /// It is not stored any more, so it does not exist.
    Wiped,
}

/// What has become of an entry.
#[derive(Debug)]
pub(super) enum Applied {
    /// It was applied.
    Done(Change),
    /// It was applied before.
    Covered,
    /// The room's game panicked twice, so the room is to go to quarantine.
    Panicked(Logged),
    /// The room is in quarantine.
    Quarantined(Logged, QuarantineReason),
    /// The room is stored: the entry is to [`wait`](Rooms::wait).
    Stored(Logged),
    /// There is no such room.
    Absent(Logged),
}
