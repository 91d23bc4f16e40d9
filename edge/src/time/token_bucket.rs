//! A rate limit in 8 bytes.

use crate::time::coarse::CoarseInstant;

/// Allows a number of events per second on average, and a burst of them at once.
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

    /// Takes a token if there is one. `rate` tokens are added per second, up to `burst` (at least one); there is no limit
    /// if `rate` is 0.
    pub fn take(&mut self, rate: f32, burst: f32, now: CoarseInstant) -> bool {
        if rate <= 0.0 {
            return true;
        }
        let earned = now.since(self.at).as_secs_f32() * rate;
        self.tokens = (self.tokens + earned).min(burst.max(1.0));
        self.at = now;
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> CoarseInstant {
        CoarseInstant::new(Duration::from_millis(millis))
    }

    fn taken(bucket: &mut TokenBucket, rate: f32, burst: f32, now: CoarseInstant) -> usize {
        (0..1_000)
            .take_while(|_| bucket.take(rate, burst, now))
            .count()
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let mut bucket = TokenBucket::new(5.0, at(0));
        assert_eq!(taken(&mut bucket, 10.0, 5.0, at(0)), 5);
        assert_eq!(taken(&mut bucket, 10.0, 5.0, at(200)), 2);
        assert_eq!(taken(&mut bucket, 10.0, 5.0, at(60_000)), 5, "no more");
        assert_eq!(taken(&mut bucket, 10.0, 5.0, at(50_000)), 0, "earlier");
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
