//! Giving way to other processes on the same core.
//!
//! NATS or a worker may wait for this core with what others wait for, and needs it for some hundred microseconds: to yield
//! lets it have its turn at once, where the kernel would let a shard go on for milliseconds. But who always computes would
//! take as many milliseconds at every yield, and the shard would get less than its share; so after a long one it keeps the
//! core for a while, and the kernel divides it.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// The longest that somebody takes the core who only answers a message. One who computes takes the kernel's slice (3 ms).
const SHORT: Duration = Duration::from_millis(2);

/// How many times as long as it was away a shard keeps the core then.
const KEPT: u32 = 4;

thread_local! {
    /// Of this thread's shard.
    static POLICY: Cell<YieldPolicy> = const { Cell::new(YieldPolicy { not_before: None }) };
}

/// When to yield.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct YieldPolicy {
    not_before: Option<Instant>,
}

impl YieldPolicy {
    fn is_due(self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }

    /// The core was given away from one time to another.
    fn after(begun: Instant, back: Instant) -> Self {
        let away = back.saturating_duration_since(begun);
        Self {
            not_before: (away > SHORT).then(|| back + away * KEPT),
        }
    }
}

/// Lets other tasks have their turn, and other processes. Alone on the core, that costs next to nothing.
pub(crate) async fn yield_cpu() {
    let begun = now();
    if POLICY.get().is_due(begun) {
        std::thread::yield_now();
        POLICY.set(YieldPolicy::after(begun, now()));
    }
    tokio::task::yield_now().await;
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_long_is_made_way_for_less_often() {
        let begun = now();
        let back = begun + SHORT;
        assert!(YieldPolicy::after(begun, back).is_due(back));
        let away = SHORT * 2;
        let back = begun + away;
        let policy = YieldPolicy::after(begun, back);
        assert!(!policy.is_due(back + away * KEPT - Duration::from_nanos(1)));
        assert!(policy.is_due(back + away * KEPT));
    }
}
