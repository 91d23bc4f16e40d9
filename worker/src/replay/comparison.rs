//! The replayed state beside the stored one.

use grandstand_game::host::StateHash;

use super::diff::Differences;

/// How the replayed state and the stored one stand to each other.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// They are the same.
    Equal {
        /// The last entry that is in the snapshot.
        seq: u64,
        /// The state's hash.
        hash: StateHash,
        /// The snapshot is of a build that writes the same state otherwise.
        rewritten: bool,
    },
    /// They are not.
    Differs {
        /// The last entry that is in the snapshot.
        seq: u64,
        /// The stored state's hash.
        stored: StateHash,
        /// The replayed state's.
        replayed: StateHash,
        /// The hash that the snapshot says, if its state has another: it was damaged.
        damaged: Option<StateHash>,
        /// The log lost what the room had applied from this entry on (D11).
        cut: Option<u64>,
        /// Where: stored, replayed.
        differences: Differences,
    },
    /// Only one of them has a room.
    Fate {
        /// What is stored says that it was deleted.
        stored_deleted: bool,
        /// By, or as of, which entry.
        stored_at: Option<u64>,
        /// Which entry deleted it in the replay.
        replayed: Option<u64>,
    },
    /// Both say that it was deleted.
    BothDeleted {
        /// By which entry, if the stored one still says.
        seq: Option<u64>,
    },
    /// Nothing is stored yet, or nothing that one could compare with.
    NotStored,
    /// What is stored is of a later entry.
    NotReached {
        /// Of which.
        seq: u64,
    },
    /// What is stored is of another room of the same name.
    OtherInstance,
    /// It is not the newest room of its name.
    Older,
    /// The replay began with the snapshot.
    BegunThere {
        /// The last entry that is in it.
        seq: u64,
    },
    /// The snapshot cannot be read: why.
    Unreadable {
        /// Why.
        error: String,
    },
}

impl Comparison {
    /// Whether what is stored is not what it should be.
    pub fn is_different(&self) -> bool {
        matches!(
            self,
            Self::Differs { .. } | Self::Fate { .. } | Self::Unreadable { .. }
        )
    }
}
