//! Plain counters of a core; its shard publishes them.

use std::collections::BTreeMap;

use grandstand_common::error::ErrorKind;

use crate::codec::DeflateStats;

/// Plain counters of one core.
#[derive(Debug, Default, Clone)]
pub struct Counts {
    /// Messages from clients.
    pub messages_in: u64,
    /// Inputs that went to the log.
    pub inputs: u64,
    /// Writes to members of lanes.
    pub writes: u64,
    /// Messages encoded for all members of a lane.
    pub encodings: u64,
    /// What was compressed for all members of a lane.
    pub deflated: DeflateStats,
    /// Updates taken from owners.
    pub updates: u64,
    /// Times that a connection fell behind and was served anew.
    pub stale: u64,
    /// Appends whose receipt did not come.
    pub appends_failed: u64,
    /// Windows appended again.
    pub chain_restarts: u64,
    /// Holes in workers' numbers.
    pub holes: u64,
    /// Batches of an owner that has been replaced.
    pub old_epochs: u64,
    /// Times that more came for delayed spectators than is held.
    pub holds_overflowed: u64,
    /// Messages from the bus that could not be read.
    pub unreadable: u64,
    /// Live messages dropped because the bus takes no more.
    pub live_dropped: u64,
    /// What was refused, and why.
    pub errors: BTreeMap<ErrorKind, u64>,
}

impl Counts {
    /// Counts a refusal.
    pub fn error(&mut self, kind: ErrorKind) {
        *self.errors.entry(kind).or_default() += 1;
    }
}
