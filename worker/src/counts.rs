//! The counters of an engine.

use crate::stored::error::DecodeError;

/// The counters of an [`Engine`](crate::engine::Engine).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Inputs handed to games; those that a takeover read again are among them.
    pub inputs: u64,
    /// Inputs refused, by their room or its game; repeats are counted again.
    pub rejects: u64,
    /// Entries that a takeover read again.
    pub replayed: u64,
    /// Panics of games while they handled an entry.
    pub panics: u64,
    /// Snapshots whose state is not the one that was stored.
    pub damaged: u64,
    /// Snapshots that cannot be read for another reason.
    pub unreadable_snapshots: u64,
    /// Times that a room became hot.
    pub rooms_heated: u64,
    /// Items that were not sent, because NATS' limit of a message has become lower.
    pub items_not_taken: u64,
}

impl Counts {
    /// Counts a room's snapshot that cannot be used.
    pub(crate) fn count_unusable(&mut self, error: &DecodeError) {
        match error {
            DecodeError::Damaged => self.damaged += 1,
            _ => self.unreadable_snapshots += 1,
        }
    }
}
