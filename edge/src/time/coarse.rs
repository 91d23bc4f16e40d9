//! A clock of 10 ms, in four bytes.

use std::time::Duration;

const MILLIS: u64 = 10;

/// A time, of which only differences mean something, and only those of less than 248 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoarseInstant(u32);

impl CoarseInstant {
    /// The time at which `elapsed` has passed since some beginning.
    pub fn new(elapsed: Duration) -> Self {
        Self((elapsed.as_millis() as u64 / MILLIS) as u32)
    }

    /// How long after `earlier` it is; nothing if it is before.
    pub fn since(self, earlier: Self) -> Duration {
        let ticks = self.0.wrapping_sub(earlier.0).cast_signed().max(0);
        Duration::from_millis(u64::from(ticks.cast_unsigned()) * MILLIS)
    }

    /// Whether `deadline` is not after it.
    pub fn has_reached(self, deadline: Self) -> bool {
        self.0.wrapping_sub(deadline.0).cast_signed() >= 0
    }

    /// The time `wait` after it.
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.wrapping_add(Self::new(wait).0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn it_goes_on_when_the_bytes_have_run_over() {
        for start in [Duration::ZERO, DAY * 248, DAY * 497 + DAY / 24] {
            let (early, late) = (
                CoarseInstant::new(start),
                CoarseInstant::new(start + DAY * 30),
            );
            assert_eq!(late.since(early), DAY * 30);
            assert_eq!(early.since(late), Duration::ZERO);
            assert!(late.has_reached(early) && late.has_reached(late));
            assert!(!early.has_reached(late));
            assert_eq!(early.after(DAY * 30), late);
        }
    }
}
