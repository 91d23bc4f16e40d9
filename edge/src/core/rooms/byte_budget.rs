//! A limit of bytes per second.

use std::time::Instant;

/// The time for which a sender may exceed its rate, seconds.
const BURST_S: f64 = 4.0;

/// The bytes that a sender may still send.
#[derive(Debug, Default)]
pub(crate) struct ByteBudget {
    /// Below 0 after a message that exceeded the budget.
    left: f64,
    /// The time at which `left` was counted; `None` before the first message.
    at: Option<Instant>,
}

impl ByteBudget {
    /// The milliseconds until the next message is allowed; 0 if it is allowed now. `rate` is in bytes per second; 0 is no
    /// limit.
    pub(super) fn wait_ms(&mut self, rate: u32, now: Instant) -> u64 {
        if rate == 0 {
            return 0;
        }
        let rate = f64::from(rate);
        let since = self.at.replace(now);
        self.left = match since {
            Some(at) => {
                let earned = now.saturating_duration_since(at).as_secs_f64() * rate;
                (self.left + earned).min(rate * BURST_S)
            }
            None => rate * BURST_S,
        };
        match self.left > 0.0 {
            true => 0,
            false => (-self.left / rate * 1_000.0) as u64 + 1,
        }
    }

    /// Takes the bytes of a message that was allowed. A message may exceed what is left, so that none waits forever.
    pub(super) fn take(&mut self, bytes: usize) {
        self.left -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_sender_is_held_to_its_rate_after_a_burst() {
        let start = tokio::time::Instant::now().into_std();
        let mut budget = ByteBudget::default();
        let mut sent = 0;
        for ms in 0..10_000 {
            let now = start + Duration::from_millis(ms);
            while budget.wait_ms(1_000, now) == 0 {
                budget.take(100);
                sent += 100;
            }
        }
        assert!((13_900..=14_200).contains(&sent), "{sent}");
        let now = start + Duration::from_secs(10);
        let wait = budget.wait_ms(1_000, now);
        assert_eq!(budget.wait_ms(1_000, now + Duration::from_millis(wait)), 0);
        budget.take(1_000_000);
        assert!(budget.wait_ms(1_000, now) > 990_000);
        assert_eq!(budget.wait_ms(0, now), 0);
    }
}
