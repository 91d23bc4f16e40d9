//! What a bus counts about itself, for others to turn into metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one [`Bus`](crate::bus::Bus), all growing.
#[derive(Debug, Default)]
pub struct BusStats {
    /// Messages dropped because a [`Subscription`](crate::bus::Subscription) was full.
    pub dropped: AtomicU64,
    /// How often the client library said that a subscription of its own was full.
    pub slow_consumers: AtomicU64,
    /// Connections made after the first.
    pub reconnects: AtomicU64,
    /// Entries sent to the log.
    pub appends: AtomicU64,
    /// Values and markers sent to buckets.
    pub puts: AtomicU64,
    /// Readers that had to begin anew from their place (a hole, missed heartbeats, a reconnect).
    pub reader_restarts: AtomicU64,
}

impl BusStats {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
