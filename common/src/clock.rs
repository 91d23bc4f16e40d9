//! The wall clock. Only this module reads it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The time by all clocks, as the core of an edge gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock, for deadlines. It is tokio's, so that tests can pause it.
    pub at: Instant,
    /// The wall clock in Unix milliseconds, by which tokens expire.
    pub unix_ms: u64,
    /// The same in microseconds, for the arrival of inputs.
    pub unix_us: u64,
    /// The clock of the log in Unix milliseconds, by which the times in rooms count (D24).
    pub log_ms: u64,
}

/// Reads this machine's wall clock, in Unix milliseconds.
pub fn unix_ms() -> u64 {
    unix_us() / 1_000
}

/// Reads this machine's wall clock, in Unix microseconds.
#[allow(clippy::disallowed_methods)]
pub fn unix_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_micros() as u64)
}
