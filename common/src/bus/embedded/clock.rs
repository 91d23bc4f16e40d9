//! The clock of the embedded bus, in place of the server's.

use tokio::time::Instant;

/// A clock that never goes backwards.
#[derive(Debug)]
pub(super) struct Clock {
    /// Unix time at an instant of tokio's clock; `None` to use the wall clock.
    base: Option<(u64, Instant)>,
    last_ms: u64,
}

impl Clock {
    pub(super) fn wall() -> Self {
        Self {
            base: None,
            last_ms: 0,
        }
    }

    /// A clock that starts at `start_ms` and follows tokio's, which tests can pause.
    pub(super) fn virtual_from(start_ms: u64) -> Self {
        Self {
            base: Some((start_ms, Instant::now())),
            last_ms: 0,
        }
    }

    /// Keeps the clock from going below `ms`.
    pub(super) fn not_before(mut self, ms: u64) -> Self {
        self.last_ms = self.last_ms.max(ms);
        self
    }

    /// The time in Unix milliseconds.
    pub(super) fn now_ms(&mut self) -> u64 {
        let now = match self.base {
            Some((start_ms, start)) => start_ms + start.elapsed().as_millis() as u64,
            None => crate::clock::unix_ms(),
        };
        self.last_ms = self.last_ms.max(now);
        self.last_ms
    }
}
