//! The clock that all threads of a process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::window::Window;
use crate::clock::unix_ms;

/// No entry was read yet.
const UNKNOWN: i64 = i64::MIN;

/// The time of a call, by the monotonic clock and by the clock of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock, for durations. It is tokio's, so that tests can pause it.
    pub at: Instant,
    /// The estimate of the log's time, Unix milliseconds.
    pub log_ms: u64,
}

/// An estimate of the log's time. Clones are the same clock; all threads of a process share one.
#[derive(Debug, Clone)]
pub struct LogClock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    start: Instant,
    /// The log's time at `start`, Unix microseconds, or [`UNKNOWN`].
    offset_us: AtomicI64,
    /// Readers lock it about once a second each, so that the hot path reads `offset_us` alone.
    window: Mutex<Window>,
}

impl Default for LogClock {
    fn default() -> Self {
        Self::new()
    }
}

impl LogClock {
    /// Creates a clock that shows the wall clock until an entry is read.
    pub fn new() -> Self {
        let shared = Shared {
            start: monotonic(),
            offset_us: AtomicI64::new(UNKNOWN),
            window: Mutex::new(Window::default()),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Reads the monotonic clock and the estimate.
    pub fn now(&self) -> Now {
        let at = monotonic();
        let log_ms = self.estimate_ms(at).unwrap_or_else(unix_ms);
        Now { at, log_ms }
    }

    /// The wall clock minus the log's clock, milliseconds: positive if the clock of this machine is ahead. `None` before
    /// the first entry.
    pub fn skew_ms(&self) -> Option<i64> {
        let log_ms = self.estimate_ms(monotonic())?;
        Some(unix_ms() as i64 - log_ms as i64)
    }

    /// Adds the time of an entry that was stored a moment ago, and the monotonic time at its receipt.
    pub fn note(&self, at: Instant, time_ms: u64) {
        let sample = self.sample(at, time_ms);
        self.add(self.second(at), sample);
    }

    /// The estimate at `at`, Unix milliseconds.
    pub(super) fn estimate_ms(&self, at: Instant) -> Option<u64> {
        let offset = self.shared.offset_us.load(Ordering::Relaxed);
        let time = offset.saturating_add(self.elapsed_us(at));
        (offset != UNKNOWN).then(|| u64::try_from(time).unwrap_or(0) / 1_000)
    }

    /// The log's time at the start of this clock, according to an entry, Unix microseconds.
    pub(super) fn sample(&self, at: Instant, time_ms: u64) -> i64 {
        let time_us = i64::try_from(time_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
        time_us.saturating_sub(self.elapsed_us(at))
    }

    #[cfg(test)]
    pub(super) fn start(&self) -> Instant {
        self.shared.start
    }

    /// The second of the clock's life at `at`.
    pub(super) fn second(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.shared.start).as_secs()
    }

    fn elapsed_us(&self, at: Instant) -> i64 {
        let elapsed = at.saturating_duration_since(self.shared.start);
        i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)
    }

    /// Adds a sample of a second.
    pub(super) fn add(&self, second: u64, sample: i64) {
        let mut window = self.shared.window.lock();
        let offset = window.add(second, sample);
        // Under the lock, so that no older offset overwrites a newer one.
        self.shared.offset_us.store(offset, Ordering::Relaxed);
    }
}

fn monotonic() -> Instant {
    tokio::time::Instant::now().into_std()
}
