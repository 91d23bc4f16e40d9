//! The time since the number of connected clients has changed.

use std::time::Duration;

use tokio::time::Instant;

/// A number of connected clients, and the time at which it was seen first.
#[derive(Debug)]
pub(super) struct LastChange {
    live: u32,
    at: Instant,
}

impl LastChange {
    /// Begins now with this number.
    pub(super) fn of(live: u32) -> Self {
        let at = Instant::now();
        Self { live, at }
    }

    /// Notes the present number. Returns whether it has changed.
    pub(super) fn update(&mut self, live: u32) -> bool {
        let changed = live != self.live;
        if changed {
            *self = Self::of(live);
        }
        changed
    }

    /// The time since the last change.
    pub(super) fn age(&self) -> Duration {
        self.at.elapsed()
    }
}
