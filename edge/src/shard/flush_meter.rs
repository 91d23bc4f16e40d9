//! Measures flushes: from the first frame that waits until none is left.

use std::time::{Duration, Instant};

use grandstand_common::histogram::{BYTES, COUNT, Histogram, LATENCY, LocalHistogram, micros};

/// The time after which a flush that has not come to its end counts as one, because frames come all the time.
const LONGEST: Duration = Duration::from_secs(1);

/// The histograms of flushes. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct FlushHistograms {
    pub(super) durations: Histogram,
    pub(super) writes: Histogram,
    pub(super) bytes: Histogram,
}

impl Default for FlushHistograms {
    fn default() -> Self {
        Self {
            durations: Histogram::new(&LATENCY),
            writes: Histogram::new(&COUNT),
            bytes: Histogram::new(&BYTES),
        }
    }
}

/// The output of a shard so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Writes to members of lanes.
    pub(crate) writes: u64,
    /// Bytes of frames that links have accepted.
    pub(crate) bytes: u64,
}

/// Measures the flushes of a shard.
#[derive(Debug)]
pub(crate) struct FlushMeter {
    begun: Option<(Instant, Written)>,
    durations: LocalHistogram,
    writes: LocalHistogram,
    bytes: LocalHistogram,
}

impl FlushMeter {
    /// A meter whose observations are published in these histograms.
    pub(crate) fn new(histograms: &FlushHistograms) -> Self {
        Self {
            begun: None,
            durations: histograms.durations.local(),
            writes: histograms.writes.local(),
            bytes: histograms.bytes.local(),
        }
    }

    /// Notes that frames are about to be written, unless a flush is under way.
    pub(crate) fn begin(&mut self, now: Instant, written: Written) {
        self.begun.get_or_insert((now, written));
    }

    /// Notes what was written. `is_done`: no frames are left.
    pub(crate) fn end(&mut self, now: Instant, written: Written, is_done: bool) {
        let Some((begun, before)) = self.begun else {
            return;
        };
        let took = now.saturating_duration_since(begun);
        if is_done || took >= LONGEST {
            self.begun = None;
            self.durations.observe(micros(took));
            self.writes.observe(written.writes - before.writes);
            self.bytes.observe(written.bytes - before.bytes);
        }
    }

    /// Publishes what was measured.
    pub(crate) fn publish(&self) {
        self.durations.publish();
        self.writes.publish();
        self.bytes.publish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_ends_when_no_frames_are_left_or_after_a_second() {
        let histograms = FlushHistograms::default();
        let mut meter = FlushMeter::new(&histograms);
        let start = tokio::time::Instant::now().into_std();
        let written = |writes| Written {
            writes,
            bytes: 10 * writes,
        };
        meter.end(start, written(1), true);
        meter.begin(start, written(1));
        meter.begin(start + LONGEST / 4, written(2));
        meter.end(start + LONGEST / 4, written(3), false);
        meter.publish();
        assert_eq!(histograms.durations.count(), 0);
        meter.end(start + LONGEST / 2, written(4), true);
        meter.begin(start + LONGEST, written(4));
        meter.end(start + LONGEST * 2, written(9), false);
        meter.publish();
        assert_eq!(histograms.durations.count(), 2);
        assert_eq!(histograms.writes.count(), 2);
        assert_eq!(histograms.bytes.count(), 2);
    }
}
