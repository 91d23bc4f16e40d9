//! The durations of the operations of a bus.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::bus::operation::Operation;
use crate::bus::stats::BusStats;
use crate::histogram::micros;

/// An operation that is under way.
pub(crate) struct Timing {
    stats: Arc<BusStats>,
    operation: Operation,
    begun: Instant,
}

impl Timing {
    /// Begins to measure.
    pub(crate) fn begin(stats: Arc<BusStats>, operation: Operation) -> Self {
        Self {
            stats,
            operation,
            begun: now(),
        }
    }

    /// Notes that the operation has succeeded.
    pub(crate) fn end(self) {
        let duration = micros(now().saturating_duration_since(self.begun));
        self.stats.durations[self.operation as usize].observe(duration);
    }

    /// Notes that the operation has ended with this result.
    pub(crate) fn end_with<T, E>(self, result: &Result<T, E>) {
        if result.is_ok() {
            self.end();
        }
    }
}

impl fmt::Debug for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timing").field(&self.operation).finish()
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
