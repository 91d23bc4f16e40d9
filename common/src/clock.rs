//! The wall clock and the monotonic clock. Only this module reads the wall clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The time by both clocks, as cores get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock, for deadlines. It is tokio's, so that tests can pause it.
    pub at: Instant,
    /// The wall clock in Unix milliseconds, for times that other machines see.
    pub unix_ms: u64,
}

/// Reads both clocks.
pub fn now() -> Now {
    Now {
        at: tokio::time::Instant::now().into_std(),
        unix_ms: unix_ms(),
    }
}

/// Reads this machine's wall clock, in Unix milliseconds.
#[allow(clippy::disallowed_methods)]
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64)
}
