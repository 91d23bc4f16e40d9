//! Pauses between attempts.

use std::time::Duration;

use rand::RngExt as _;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);

/// Pauses that grow, each random between a half and the whole, so that processes do not attempt in step.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The next pause.
    pub(super) fn pause(&mut self) -> Duration {
        let longest = self.next;
        self.next = (longest * 2).min(LONGEST);
        rand::rng().random_range(longest / 2..=longest)
    }

    /// Begins with the shortest pause again.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_ten_seconds_and_begin_again() {
        let mut backoff = Backoff::default();
        let mut longest = FIRST;
        for _ in 0..10 {
            let pause = backoff.pause();
            assert!(longest / 2 <= pause && pause <= longest, "{pause:?}");
            longest = (longest * 2).min(LONGEST);
        }
        assert_eq!(longest, LONGEST);
        backoff.reset();
        assert!(backoff.pause() <= FIRST);
    }
}
