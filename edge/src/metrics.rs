//! What a shard counts.

use std::collections::BTreeMap;

use grandstand_common::error::ErrorKind;

/// Plain counters of one core, read by the process around it.
#[derive(Debug, Default, Clone)]
pub struct Counts {
    /// Messages from clients.
    pub messages_in: u64,
    /// Inputs that went to the log.
    pub inputs: u64,
    /// Writes to members of lanes.
    pub writes: u64,
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
    /// Messages from the bus that could not be read.
    pub unreadable: u64,
    /// What was refused, and why.
    pub errors: BTreeMap<ErrorKind, u64>,
}

impl Counts {
    /// Counts a refusal.
    pub fn error(&mut self, kind: ErrorKind) {
        *self.errors.entry(kind).or_default() += 1;
    }
}
