//! A rate limit in 8 bytes.

use std::time::Duration;

use crate::time::coarse::CoarseInstant;

/// The bucket's answer to a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Charge {
    /// The bucket had the tokens.
    Allowed,
    /// The bucket is overdrawn.
    Refused,
    /// The bucket is overdrawn by more than a burst: the events come faster than allowed, and do not slow down.
    Exhausted,
}

/// The rate of a bucket. There is no limit if `per_s` is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Tokens that are added per second.
    pub per_s: f32,
    /// The most tokens, at least one.
    pub burst: f32,
}

impl Rate {
    /// `per_s` events per second, and `burst` at once.
    pub fn new(per_s: u32, burst: u32) -> Self {
        Self {
            per_s: per_s as f32,
            burst: burst.max(1) as f32,
        }
    }
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

    /// Takes `count` tokens, whether there are as many or not. No more are owed than two bursts, so that a bucket recovers
    /// within the time of three once the events end.
    pub fn charge(&mut self, count: u32, rate: Rate, now: CoarseInstant) -> Charge {
        if rate.per_s <= 0.0 {
            return Charge::Allowed;
        }
        let burst = rate.burst;
        self.tokens = (self.earned(rate, now) - count as f32).max(-2.0 * burst);
        self.at = now;
        if self.tokens >= 0.0 {
            Charge::Allowed
        } else if self.tokens >= -burst {
            Charge::Refused
        } else {
            Charge::Exhausted
        }
    }

    /// The time after the last charge at which an event is allowed again.
    pub fn wait(&self, rate: Rate) -> Duration {
        if rate.per_s > 0.0 && self.tokens < 1.0 {
            Duration::from_secs_f32((1.0 - self.tokens) / rate.per_s)
        } else {
            Duration::ZERO
        }
    }

    /// Whether the bucket has all of its tokens.
    pub fn is_full(&self, rate: Rate, now: CoarseInstant) -> bool {
        rate.per_s <= 0.0 || self.earned(rate, now) >= rate.burst
    }

    /// Whether an event would be refused.
    pub fn is_overdrawn(&self, rate: Rate, now: CoarseInstant) -> bool {
        rate.per_s > 0.0 && self.earned(rate, now) < 1.0
    }

    fn earned(&self, rate: Rate, now: CoarseInstant) -> f32 {
        let earned = now.since(self.at).as_secs_f32() * rate.per_s;
        (self.tokens + earned).min(rate.burst)
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
    fn taken(bucket: &mut TokenBucket, per_s: u32, burst: u32, now: CoarseInstant) -> usize {
        (0..1_000)
            .take_while(|_| bucket.charge(1, Rate::new(per_s, burst), now) == Charge::Allowed)
            .count()
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let mut bucket = TokenBucket::new(5.0, at(0));
        assert_eq!(taken(&mut bucket, 10, 5, at(0)), 5);
        assert_eq!(taken(&mut bucket, 10, 5, at(300)), 2);
        assert_eq!(taken(&mut bucket, 10, 5, at(60_000)), 5, "no more");
        assert_eq!(taken(&mut bucket, 10, 5, at(50_000)), 0, "earlier");
    }

    #[test]
    fn refused_events_are_charged_and_exhaust_the_bucket_after_another_burst() {
        let mut bucket = TokenBucket::new(5.0, at(0));
        assert_eq!(bucket.charge(5, Rate::new(10, 5), at(0)), Charge::Allowed);
        assert_eq!(bucket.charge(5, Rate::new(10, 5), at(0)), Charge::Refused);
        assert_eq!(bucket.charge(1, Rate::new(10, 5), at(0)), Charge::Exhausted);
        assert_eq!(bucket.charge(1, Rate::new(10, 5), at(600)), Charge::Refused);
        assert_eq!(
            bucket.charge(1, Rate::new(10, 5), at(1_200)),
            Charge::Allowed
        );
    }

    #[test]
    fn a_burst_below_one_allows_single_events() {
        let mut bucket = TokenBucket::new(0.0, at(0));
        assert_eq!(taken(&mut bucket, 1, 0, at(0)), 0);
        assert_eq!(taken(&mut bucket, 1, 0, at(5_000)), 1);
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let mut bucket = TokenBucket::new(0.0, at(0));
        assert_eq!(taken(&mut bucket, 0, 0, at(0)), 1_000);
    }

    #[test]
    fn no_more_than_two_bursts_are_owed_and_the_wait_is_told() {
        let (mut bucket, rate) = (TokenBucket::new(4.0, at(0)), Rate::new(4, 4));
        assert_eq!(bucket.wait(rate), Duration::ZERO);
        for _ in 0..1_000 {
            bucket.charge(7, rate, at(0));
        }
        let wait = bucket.wait(rate);
        assert_eq!(wait, Duration::from_millis(2_250));
        assert!(bucket.is_overdrawn(rate, at(2_240)));
        assert!(!bucket.is_overdrawn(rate, at(2_250)));
        assert!(!bucket.is_full(rate, at(2_990)));
        assert!(bucket.is_full(rate, at(3_000)));
    }

    #[test]
    fn a_bucket_takes_8_bytes() {
        assert_eq!(size_of::<TokenBucket>(), 8);
    }
}
