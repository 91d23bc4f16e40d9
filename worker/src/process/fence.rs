//! The fence of a room loop: until when it may publish, append and put (D16).
//!
//! The lease loop stores the end of that time after each acked renewal. The room loop reads it before every publish, append
//! and put, so that a room loop stops on time whatever happens to the lease loop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::lease::MAY_ACT_FOR;

/// In place of a time: the loop may not act.
const CLOSED: u64 = 0;

/// The fence of a room loop. It is closed at first.
#[derive(Debug)]
pub(super) struct Fence {
    origin: Instant,
    /// The end of the time, in nanoseconds after `origin`.
    until: AtomicU64,
    moved: Notify,
}

impl Fence {
    pub(super) fn new(origin: Instant) -> Self {
        Self {
            origin,
            until: AtomicU64::new(CLOSED),
            moved: Notify::new(),
        }
    }

    /// Sets the time until which the loop may act; `None` closes the fence.
    pub(super) fn set(&self, until: Option<Instant>) {
        let nanos = until.map_or(CLOSED, |until| {
            let after = until.saturating_duration_since(self.origin);
            u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)
        });
        if self.until.swap(nanos, Ordering::Release) != nanos {
            self.moved.notify_one();
        }
    }

    /// Whether the loop may act now. `not_before` is the time since when the loop itself has a connection: renewals that
    /// were sent earlier do not count.
    pub(super) fn may_act(&self, now: Instant, not_before: Option<Instant>) -> bool {
        let nanos = self.until.load(Ordering::Acquire);
        let until = self.origin + Duration::from_nanos(nanos);
        let counts = not_before.is_none_or(|not_before| until >= not_before + MAY_ACT_FOR);
        nanos != CLOSED && now < until && counts
    }

    /// Waits until the fence is set to another time. May return although it is not.
    pub(super) async fn moved(&self) {
        self.moved.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d16_a_loop_acts_only_before_the_time_that_the_lease_loop_stored() {
        let start = tokio::time::Instant::now().into_std();
        let ms = |ms| start + Duration::from_millis(ms);
        let fence = Fence::new(start);
        assert!(!fence.may_act(start, None), "it is closed at first");
        fence.set(Some(ms(2_000)));
        assert!(fence.may_act(ms(1_999), None));
        assert!(!fence.may_act(ms(2_000), None));
        fence.set(Some(ms(2_500)));
        assert!(fence.may_act(ms(2_000), None));
        fence.set(None);
        assert!(!fence.may_act(ms(2_000), None));
    }

    #[test]
    fn d16_a_renewal_from_before_the_loss_of_the_loops_own_connection_does_not_count() {
        let start = tokio::time::Instant::now().into_std();
        let ms = |ms| start + Duration::from_millis(ms);
        let fence = Fence::new(start);
        // The renewal was sent at 500.
        fence.set(Some(ms(2_500)));
        assert!(fence.may_act(ms(600), Some(ms(500))));
        assert!(!fence.may_act(ms(600), Some(ms(501))));
        fence.set(Some(ms(3_000)));
        assert!(fence.may_act(ms(1_100), Some(ms(501))));
    }
}
