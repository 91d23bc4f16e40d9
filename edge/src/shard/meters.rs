//! The meters of a shard, beside those of its core.

use grandstand_common::histogram::LocalHistogram;

use super::flush_meter::FlushMeter;
use super::latency::RoomLatency;

/// The meters of a shard. They stay on its thread.
#[derive(Debug)]
pub(crate) struct Meters {
    pub(crate) flush: FlushMeter,
    pub(crate) latency: RoomLatency,
    /// The lateness of the timers of its loop.
    pub(crate) lag: LocalHistogram,
}

impl Meters {
    /// Publishes the measurements.
    pub(super) fn publish(&self) {
        self.flush.publish();
        self.latency.publish();
        self.lag.publish();
    }
}
