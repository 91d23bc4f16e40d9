//! The comparison of the replayed state with the stored one.

use grandstand_game::host::StateHash;

use super::diff::Differences;

/// The result of comparing the replayed state with the stored one.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// The states are equal.
    Equal {
        /// The last entry that is in the snapshot.
        seq: u64,
        /// The state's hash.
        hash: StateHash,
        /// Whether another build wrote the snapshot and serializes the same state differently.
        rewritten: bool,
    },
    /// The states differ.
    Differs {
        /// The last entry that is in the snapshot.
        seq: u64,
        /// The stored state's hash.
        stored: StateHash,
        /// The replayed state's hash.
        replayed: StateHash,
        /// The hash in a damaged snapshot, whose state has another one.
        damaged: Option<StateHash>,
        /// The first entry that the room had applied and the log has lost (D11).
        cut: Option<u64>,
        /// The differences: stored, replayed.
        differences: Differences,
    },
    /// The room is deleted in storage or in the replay, but not in both.
    Fate {
        /// Whether the room is deleted in storage rather than in the replay.
        stored_deleted: bool,
        /// The entry that deleted the room in storage, or the snapshot's last entry.
        stored_at: Option<u64>,
        /// The entry that deleted the room in the replay.
        replayed: Option<u64>,
    },
    /// The room is deleted in both.
    BothDeleted {
        /// The entry that deleted it, if the stored record still names it.
        seq: Option<u64>,
    },
    /// Nothing comparable is stored yet.
    NotStored,
    /// The stored snapshot is of a later entry.
    NotReached {
        /// The sequence of the later entry.
        seq: u64,
    },
    /// The stored snapshot is of another room of the same name.
    OtherInstance,
    /// The replayed room is not the newest of its name.
    Older,
    /// The replay began with the snapshot.
    BegunThere {
        /// The last entry that the snapshot covers.
        seq: u64,
    },
    /// The snapshot cannot be read.
    Unreadable {
        /// The reason.
        error: String,
    },
}

impl Comparison {
    /// Whether the stored room differs from the replayed one or cannot be read.
    pub fn is_different(&self) -> bool {
        matches!(
            self,
            Self::Differs { .. } | Self::Fate { .. } | Self::Unreadable { .. }
        )
    }
}
