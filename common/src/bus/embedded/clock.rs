//! The clock of the embedded bus, in place of the server's.

use tokio::time::Instant;

/// A clock that continues from a time at the pace of the monotonic clock. A jump of the wall clock does not move it (D24).
#[derive(Debug)]
pub(super) struct Clock {
    start_ms: u64,
    start: Instant,
    last_ms: u64,
}

impl Clock {
    /// A clock that shows `start_ms` now, in Unix milliseconds. It follows tokio's clock, which tests can pause.
    pub(super) fn from(start_ms: u64) -> Self {
        Self {
            start_ms,
            start: Instant::now(),
            last_ms: start_ms,
        }
    }

    /// The time in Unix milliseconds.
    pub(super) fn now_ms(&mut self) -> u64 {
        let now = self.start_ms + self.start.elapsed().as_millis() as u64;
        // Threads of a paused runtime see different clocks.
        self.last_ms = self.last_ms.max(now);
        self.last_ms
    }
}
