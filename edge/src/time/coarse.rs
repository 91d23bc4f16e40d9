//! A clock with a resolution of 10 ms, in four bytes.

use std::time::Duration;

const MILLIS: u64 = 10;

/// A point in time, meaningful only relative to another one less than 248 days away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoarseInstant(u32);

impl CoarseInstant {
    /// The time `elapsed` after the clock's origin, which all times compared with it must share.
    pub fn new(elapsed: Duration) -> Self {
        Self((elapsed.as_millis() as u64 / MILLIS) as u32)
    }

    /// The time from `earlier` to `self`; zero if `self` is before `earlier`.
    pub fn since(self, earlier: Self) -> Duration {
        let ticks = self.0.wrapping_sub(earlier.0).cast_signed().max(0);
        Duration::from_millis(u64::from(ticks.cast_unsigned()) * MILLIS)
    }

    /// Whether `self` is at or after `deadline`.
    pub fn has_reached(self, deadline: Self) -> bool {
        self.0.wrapping_sub(deadline.0).cast_signed() >= 0
    }

    /// The time `wait` after `self`.
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.wrapping_add(Self::new(wait).0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn times_compare_correctly_across_an_overflow() {
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
