//! The partitions that a turn looks at: those that something happened to, and those whose time has come. The others of
//! hundreds cost nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use grandstand_common::id::Partition;

use crate::command::Now;
use crate::deadlines::Deadlines;

/// The change of the log's clock against the monotonic one after which deadlines are computed again.
const CLOCK_STEP: Duration = Duration::from_millis(2);

/// The partitions that need a look, and when the others will.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    touched: BTreeSet<Partition>,
    due: Deadlines<Partition>,
    /// The time, by both clocks, at which the deadlines were last computed for all partitions.
    computed: Option<Now>,
}

impl Schedule {
    /// Notes that something happened to a partition, or that it waits for what partitions share.
    pub(super) fn touch(&mut self, partition: Partition) {
        self.touched.insert(partition);
    }

    /// Sets when a partition needs a look although nothing happens to it.
    pub(super) fn set_due(&mut self, partition: Partition, at: Option<Instant>) {
        self.due.set(&partition, at);
    }

    pub(super) fn forget(&mut self, partition: Partition) {
        self.touched.remove(&partition);
        self.due.set(&partition, None);
    }

    /// Whether the log's clock has been changed, so that deadlines by it are others. They must then be
    /// [set](Self::set_due) for all partitions.
    pub(super) fn take_clock_step(&mut self, now: Now) -> bool {
        let is_same = self.computed.is_some_and(|computed| {
            let passed = now.at.saturating_duration_since(computed.at).as_millis();
            let expected = u128::from(computed.log_ms) + passed;
            u128::from(now.log_ms).abs_diff(expected) < CLOCK_STEP.as_millis()
        });
        if !is_same {
            self.computed = Some(now);
        }
        !is_same
    }

    /// Takes the partitions that need a look now.
    pub(super) fn take(&mut self, now: Instant) -> BTreeSet<Partition> {
        let mut taken = std::mem::take(&mut self.touched);
        taken.extend(self.due.take_due(now));
        taken
    }

    /// The partitions that something happened to since the last [`take`](Self::take).
    pub(super) fn touched(&self) -> impl Iterator<Item = Partition> + '_ {
        self.touched.iter().copied()
    }

    /// The next time at which an untouched partition needs a look.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.next()
    }
}

#[cfg(test)]
mod tests;
