//! Counters of the bus, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::bus::nats_error::NatsErrorKind;

/// Counters of one [`Bus`](crate::bus::Bus). They only grow.
#[derive(Debug, Default)]
pub struct BusStats {
    /// Messages dropped because a [`Subscription`](crate::bus::Subscription) was full.
    pub dropped: AtomicU64,
    /// Times that the client library reported a full subscription of its own.
    pub slow_consumers: AtomicU64,
    /// Errors that NATS reported outside of answers, by [`NatsErrorKind`].
    pub errors: [AtomicU64; NatsErrorKind::ALL.len()],
    /// Connections made after the first.
    pub reconnects: AtomicU64,
    /// Entries sent to the log.
    pub appends: AtomicU64,
    /// Items sent to the stream of what games emit.
    pub emits: AtomicU64,
    /// Values and markers sent to buckets.
    pub puts: AtomicU64,
    /// Readers that restarted from their position (a gap, missed heartbeats, a reconnect).
    pub reader_restarts: AtomicU64,
}

impl BusStats {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
