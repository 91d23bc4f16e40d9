//! Counters of the bus, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::bus::nats_error::NatsErrorKind;
use crate::bus::operation::Operation;
use crate::histogram::{Histogram, LATENCY};

/// Counters of one [`Bus`](crate::bus::Bus). They only grow.
#[derive(Debug)]
pub struct BusStats {
    /// The durations of operations that succeeded, in microseconds, by [`Operation`]. A connection is used by one thread
    /// nearly always, so that their locks are free.
    pub durations: [Histogram; Operation::ALL.len()],
    /// The time that the last message to ourselves took, in microseconds; 0 if none has come back yet.
    pub round_trip_us: AtomicU64,
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

impl Default for BusStats {
    fn default() -> Self {
        Self {
            durations: std::array::from_fn(|_| Histogram::new(&LATENCY)),
            round_trip_us: AtomicU64::default(),
            dropped: AtomicU64::default(),
            slow_consumers: AtomicU64::default(),
            errors: Default::default(),
            reconnects: AtomicU64::default(),
            appends: AtomicU64::default(),
            emits: AtomicU64::default(),
            puts: AtomicU64::default(),
            reader_restarts: AtomicU64::default(),
        }
    }
}

impl BusStats {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
