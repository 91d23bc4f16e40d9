//! A limit of bytes per second that all shards charge without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time for which a sender may exceed its rate.
const BURST: Duration = Duration::from_secs(4);

const NANOS_PER_S: u64 = 1_000_000_000;

/// The bytes per second of one sender. Clones are handles to the same budget.
///
/// It is one number: the time at which the bytes so far will have been paid for at the rate (the generic cell rate
/// algorithm, ITU-T I.371). A new rate counts for what is sent from then on.
#[derive(Debug, Clone)]
pub struct ByteBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    start: Instant,
    /// Nanoseconds after `start`.
    paid: AtomicU64,
}

impl ByteBudget {
    /// A budget of a sender that has sent nothing. `start` is not after any time that it is asked about.
    pub(super) fn new(start: Instant) -> Self {
        Self(Arc::new(Shared {
            start,
            paid: AtomicU64::new(0),
        }))
    }

    /// The milliseconds until the next message is allowed; 0 if it is allowed now. `rate` is in bytes per second; 0 is no
    /// limit.
    pub fn wait_ms(&self, rate: u32, now: Instant) -> u64 {
        let ahead = self.ahead(now);
        if rate > 0 && ahead >= BURST {
            (ahead - BURST).as_millis() as u64 + 1
        } else {
            0
        }
    }

    /// Takes the bytes of a message that was allowed. A message may exceed what is left, so that none waits forever. Shards
    /// that take at the same time may exceed it by a message each.
    pub fn take(&self, bytes: usize, rate: u32, now: Instant) {
        if rate == 0 {
            return;
        }
        let cost = (bytes as u64).saturating_mul(NANOS_PER_S) / u64::from(rate);
        let now = self.nanos(now);
        let pay = |paid: u64| Some(paid.max(now).saturating_add(cost));
        // Nothing else depends on the number, and an update cannot fail.
        let paid = &self.0.paid;
        paid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay)
            .ok();
    }

    /// Whether it says no more than a new one, and nothing holds it but the caller.
    pub(super) fn is_unused(&self, now: Instant) -> bool {
        Arc::strong_count(&self.0) == 1 && self.ahead(now).is_zero()
    }

    /// The time by which more was sent than the rate allows.
    fn ahead(&self, now: Instant) -> Duration {
        let paid = self.0.paid.load(Ordering::Relaxed);
        Duration::from_nanos(paid.saturating_sub(self.nanos(now)))
    }

    fn nanos(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.0.start).as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_held_to_its_rate_after_a_burst() {
        let start = tokio::time::Instant::now().into_std();
        let budget = ByteBudget::new(start);
        let mut sent = 0;
        for ms in 0..10_000 {
            let now = start + Duration::from_millis(ms);
            while budget.wait_ms(1_000, now) == 0 {
                budget.take(100, 1_000, now);
                sent += 100;
            }
        }
        assert!((13_900..=14_200).contains(&sent), "{sent}");
        let now = start + Duration::from_secs(10);
        let wait = budget.wait_ms(1_000, now);
        assert_eq!(budget.wait_ms(1_000, now + Duration::from_millis(wait)), 0);
        budget.take(1_000_000, 1_000, now);
        assert!(budget.wait_ms(1_000, now) > 990_000);
        assert_eq!(budget.wait_ms(0, now), 0);
    }

    #[test]
    fn senders_on_several_threads_share_a_budget() {
        let start = tokio::time::Instant::now().into_std();
        let budget = ByteBudget::new(start);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let budget = budget.clone();
                scope.spawn(move || {
                    for _ in 0..1_000 {
                        budget.take(1, 1_000, start);
                    }
                });
            }
        });
        assert_eq!(budget.wait_ms(1_000, start), 1);
        assert_eq!(
            budget.wait_ms(1_000, start + Duration::from_millis(1)),
            0,
            "4,000 bytes are a burst of 4 s"
        );
    }
}
