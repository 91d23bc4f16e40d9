//! Reports when the wall clock of this machine differs from the clock of the log (D24).

use std::time::{Duration, Instant};

/// The skew from which on operators are warned, milliseconds.
const WARN_MS: u64 = 1_000;

/// The skew below which the warning ends, milliseconds. It is lower, so that a skew about the limit warns once.
const END_MS: u64 = 700;

/// The interval of measurements.
const EVERY: Duration = Duration::from_secs(1);

/// A change that operators are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SkewChange {
    /// The clocks differ by more than a second.
    Began,
    /// The clocks agree again.
    Ended,
}

/// Whether the clocks differ.
#[derive(Debug, Default)]
pub(super) struct ClockSkew {
    next: Option<Instant>,
    differs: bool,
}

impl ClockSkew {
    /// Whether to measure again. Asked at most every turn.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let due = self.next.is_none_or(|next| now >= next);
        if due {
            self.next = Some(now + EVERY);
        }
        due
    }

    /// Notes the wall clock minus the clock of the log, milliseconds. Returns whether a difference has begun or ended.
    pub(super) fn note(&mut self, skew_ms: i64) -> Option<SkewChange> {
        let skew = skew_ms.unsigned_abs();
        if !self.differs && skew > WARN_MS {
            self.differs = true;
            return Some(SkewChange::Began);
        }
        if self.differs && skew < END_MS {
            self.differs = false;
            return Some(SkewChange::Ended);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d24_a_skew_is_reported_once_when_it_begins_and_once_when_it_ends() {
        let mut skew = ClockSkew::default();
        let changes: Vec<_> = [0, 900, 1_100, 990, 3_600_000, 1_001, 600, 900, -5_000, 10]
            .map(|ms| skew.note(ms))
            .into_iter()
            .collect();
        let (began, ended) = (Some(SkewChange::Began), Some(SkewChange::Ended));
        let expected = [
            None, None, began, None, None, None, ended, None, began, ended,
        ];
        assert_eq!(changes, expected);
    }

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn the_skew_is_measured_once_a_second() {
        let start = Instant::now();
        let mut skew = ClockSkew::default();
        let due = [0, 10, 999, 1_000, 1_500, 2_100].map(|ms| {
            let now = start + Duration::from_millis(ms);
            skew.take_due(now)
        });
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
