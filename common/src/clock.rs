//! The time, and the one place that reads the wall clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The time by both clocks, as cores are told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock (tokio's, which tests can pause): for what is to happen after a while.
    pub at: Instant,
    /// The wall clock, Unix milliseconds: for what other machines are told.
    pub unix_ms: u64,
}

/// The time now.
pub fn now() -> Now {
    Now {
        at: tokio::time::Instant::now().into_std(),
        unix_ms: unix_ms(),
    }
}

/// Milliseconds since 1970 by this machine's clock.
#[allow(clippy::disallowed_methods)]
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64)
}
