//! Changes of rooms, and the results of entries.

use grandstand_common::id::{EdgeId, Instance};

use crate::room::{Emit, Logged};
use crate::stored::outlet::PendingItem;
use crate::stored::quarantine::QuarantineReason;
use crate::tallies::EndedGame;

/// The change of a room, from which the other machines and the edges are updated.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// The entry that caused it; 0 if none did.
    pub(super) seq: u64,
    /// The bytes of that entry.
    pub(super) bytes: u64,
    /// The bytes of the room's last snapshot; 0 if it has none.
    pub(super) snapshot_bytes: u64,
    pub(super) emits: Vec<Emit>,
    /// The items that the loaded snapshot has.
    pub(super) items: Vec<PendingItem>,
    /// The edges that hold connected players' sessions; `None` if they have not changed.
    pub(super) edges: Option<Vec<EdgeId>>,
    pub(super) residence: ResidenceChange,
    /// The game that the entry has ended.
    pub(super) ended: Option<EndedGame>,
}

/// The change of a room's [`Residence`](super::residence::Residence).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResidenceChange {
    /// The room is where it was.
    #[default]
    Unchanged,
    /// The room was created. The sequence is that of the entry that deleted an earlier instance whose key is still
    /// there.
    Created(Option<u64>),
    /// This instance was deleted.
    Deleted(Instance),
    /// The room was loaded into memory.
    Loaded,
    /// The room was dropped from memory and is stored.
    Unloaded,
    /// The room was put in quarantine.
    Quarantined,
    /// The stored room was found missing in its bucket, so it does not exist.
    Wiped,
}

/// The result of applying an entry.
#[derive(Debug)]
pub(super) enum EntryOutcome {
    /// The entry was applied.
    Done(Change),
    /// The loaded snapshot covers the entry.
    Covered,
    /// The room's game panicked twice on the entry. The room is to be put in quarantine.
    Panicked(Logged),
    /// The room is in quarantine.
    Quarantined(Logged, QuarantineReason),
    /// This build is too old for the room, which needs this version of its game.
    TooNew(Logged, u32),
    /// The room is stored, so the entry must wait until it is loaded.
    Stored(Logged),
    /// The room does not exist.
    Absent(Logged),
}
