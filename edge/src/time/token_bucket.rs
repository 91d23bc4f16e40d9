//! A rate limit in 8 bytes.

use crate::time::coarse::CoarseInstant;

/// The bucket's answer to a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// The bucket had the tokens.
    Allowed,
    /// The bucket is overdrawn.
    Refused,
    /// The bucket is overdrawn by more than a burst: the events come faster than allowed, and do not slow down.
    Exhausted,
}

/// Allows a number of events per second on average, and a burst of them at once. Refused events are charged as well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenBucket {
    tokens: f32,
    /// The time at which `tokens` was counted.
    at: CoarseInstant,
}

impl TokenBucket {
    /// A full bucket.
    pub fn new(burst: f32, now: CoarseInstant) -> Self {
        Self {
            tokens: burst,
            at: now,
        }
    }

    /// Takes `count` tokens, whether there are as many or not. `rate` tokens are added per second, up to `burst` (at least
    /// one); there is no limit if `rate` is 0.
    pub fn charge(&mut self, count: u32, rate: f32, burst: f32, now: CoarseInstant) -> Charge {
        if rate <= 0.0 {
            return Charge::Allowed;
        }
        let (burst, earned) = (burst.max(1.0), now.since(self.at).as_secs_f32() * rate);
        self.tokens = (self.tokens + earned).min(burst) - count as f32;
        self.at = now;
        if self.tokens >= 0.0 {
            Charge::Allowed
        } else if self.tokens >= -burst {
            Charge::Refused
        } else {
            Charge::Exhausted
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> CoarseInstant {
        CoarseInstant::new(Duration::from_millis(millis))
    }

    /// The number of single events that are allowed until one is refused, which is charged as well.
    fn taken(bucket: &mut TokenBucket, rate: f32, burst: f32, now: CoarseInstant) -> usize {
        (0..1_000)
            .take_while(|_| bucket.charge(1, rate, burst, now) == Charge::Allowed)
            .count()
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let mut bucket = TokenBucket::new(5.0, at(0));
        assert_eq!(taken(&mut bucket, 10.0, 5.0, at(0)), 5);
        assert_eq!(taken(&mut bucket, 10.0, 5.0, at(300)), 2);
        assert_eq!(taken(&mut bucket, 10.0, 5.0, at(60_000)), 5, "no more");
        assert_eq!(taken(&mut bucket, 10.0, 5.0, at(50_000)), 0, "earlier");
    }

    #[test]
    fn refused_events_are_charged_and_exhaust_the_bucket_after_another_burst() {
        let mut bucket = TokenBucket::new(5.0, at(0));
        assert_eq!(bucket.charge(5, 10.0, 5.0, at(0)), Charge::Allowed);
        assert_eq!(bucket.charge(5, 10.0, 5.0, at(0)), Charge::Refused);
        assert_eq!(bucket.charge(1, 10.0, 5.0, at(0)), Charge::Exhausted);
        assert_eq!(bucket.charge(1, 10.0, 5.0, at(600)), Charge::Refused);
        assert_eq!(bucket.charge(1, 10.0, 5.0, at(1_200)), Charge::Allowed);
    }

    #[test]
    fn a_burst_below_one_allows_single_events() {
        let mut bucket = TokenBucket::new(0.0, at(0));
        assert_eq!(taken(&mut bucket, 1.0, 0.0, at(0)), 0);
        assert_eq!(taken(&mut bucket, 1.0, 0.0, at(5_000)), 1);
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let mut bucket = TokenBucket::new(0.0, at(0));
        assert_eq!(taken(&mut bucket, 0.0, 0.0, at(0)), 1_000);
    }

    #[test]
    fn a_bucket_takes_8_bytes() {
        assert_eq!(size_of::<TokenBucket>(), 8);
    }
}
