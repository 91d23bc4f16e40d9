//! Pauses between the attempts of a delivery.

use std::time::Duration;

use rand::RngExt as _;

/// The pauses of an endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    /// The longest pause after the first attempt. It doubles with each attempt.
    pub(super) first: Duration,
    /// The longest pause.
    pub(super) longest: Duration,
}

impl Backoff {
    /// The longest pause after this many failed attempts.
    pub(super) fn most(&self, attempts: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1).min(31));
        self.first.saturating_mul(doubled).min(self.longest)
    }

    /// The pause after this many failed attempts: any length up to the longest, so that deliveries which failed together
    /// are not repeated together. It is at least what the endpoint asks for, as far as that is not more than the longest
    /// pause.
    pub(super) fn pause(&self, attempts: u32, asked: Option<Duration>) -> Duration {
        let random = rand::rng().random_range(Duration::ZERO..=self.most(attempts));
        random.max(asked.unwrap_or_default().min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_are_as_long_as_the_endpoint_asks() {
        let second = Duration::from_secs(1);
        let backoff = Backoff {
            first: second,
            longest: 60 * second,
        };
        for (attempts, most) in [(1, 1), (2, 2), (3, 4), (7, 60), (200, 60)] {
            assert_eq!(backoff.most(attempts), most * second);
            assert!(backoff.pause(attempts, None) <= most * second);
        }
        let different: std::collections::BTreeSet<_> =
            (0..20).map(|_| backoff.pause(7, None)).collect();
        assert!(different.len() > 1, "{different:?}");
        assert!(backoff.pause(1, Some(9 * second)) >= 9 * second);
        assert_eq!(backoff.pause(1, Some(9_000 * second)), 60 * second);
    }
}
