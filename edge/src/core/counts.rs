//! Counters of a core. Its shard publishes them as metrics.

use std::collections::BTreeMap;

use grandstand_common::error::ErrorKind;

use crate::codec::{DeflateStats, ReceivedKind, SentCounts, SentKind};

/// Counters of one core.
#[derive(Debug, Default, Clone)]
pub struct Counts {
    /// Messages from clients.
    pub messages_in: u64,
    /// Messages from clients that were within their limits, by [`ReceivedKind`].
    pub received: [u64; ReceivedKind::ALL.len()],
    /// Messages to single clients.
    pub sent: SentCounts,
    /// Messages to all members of a lane, once for each of them.
    pub broadcast: SentCounts,
    /// Joins that were answered with the updates that the client had missed.
    pub resumed: u64,
    /// Members of lanes whose frames were dropped because this edge was too slow to reach them.
    pub unreached: u64,
    /// Inputs appended to the log, without repeats.
    pub inputs: u64,
    /// Writes to members of lanes.
    pub writes: u64,
    /// Messages encoded for all members of a lane, once per encoding.
    pub encodings: u64,
    /// Messages compressed for all members of a lane.
    pub deflated: DeflateStats,
    /// Updates applied to lanes.
    pub updates: u64,
    /// Slow clients whose frames were dropped or whose connection was closed.
    pub stale: u64,
    /// Appends that failed or were not answered.
    pub appends_failed: u64,
    /// Windows appended again after a timeout.
    pub chain_restarts: u64,
    /// Gaps in workers' numbers.
    pub gaps: u64,
    /// Batches from earlier owners, which are dropped.
    pub old_epochs: u64,
    /// Delay buffers that dropped events because they were full.
    pub delays_overflowed: u64,
    /// Messages from the bus that could not be decoded.
    pub unreadable: u64,
    /// Live messages dropped because too many commands wait for the bus.
    pub live_dropped: u64,
    /// Refusals by reason.
    pub errors: BTreeMap<ErrorKind, u64>,
}

impl Counts {
    /// Counts a message from a client.
    pub fn received(&mut self, kind: ReceivedKind) {
        self.received[kind as usize] += 1;
    }

    /// Counts acks to single clients.
    pub fn add_acks(&mut self, count: u64) {
        self.sent.add(SentKind::Ack, count);
    }

    /// Counts a refusal.
    pub fn error(&mut self, kind: ErrorKind) {
        *self.errors.entry(kind).or_default() += 1;
    }
}
