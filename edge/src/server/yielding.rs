//! Yields the CPU to other processes on the same core.
//!
//! NATS or a worker may wait for this core to do a few hundred microseconds of work on which clients wait. A yield runs it
//! at once, whereas the kernel would let the shard continue for milliseconds. A process that computes without pause,
//! however, would take milliseconds at every yield, and the shard would get less than its share of the core. After a long
//! absence the shard therefore does not yield for a while, and the kernel's scheduler divides the core.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// The longest absence after a yield to a process that only handles a message. A process that computes keeps the core for
/// the kernel's time slice (3 ms).
const SHORT: Duration = Duration::from_millis(2);

/// The time for which a shard does not yield after a long absence, as a multiple of the absence.
const HOLD_OFF: u32 = 4;

thread_local! {
    /// The policy of this thread's shard.
    static POLICY: Cell<YieldPolicy> = const { Cell::new(YieldPolicy { not_before: None }) };
    /// Whether this thread's shard yields to other processes at all.
    static ENABLED: Cell<bool> = const { Cell::new(true) };
}

/// The time from which the CPU may be yielded again; `None` for at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct YieldPolicy {
    not_before: Option<Instant>,
}

impl YieldPolicy {
    fn is_due(self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }

    /// The policy after a yield that lasted from `begun` to `back`.
    fn after(begun: Instant, back: Instant) -> Self {
        let away = back.saturating_duration_since(begun);
        Self {
            not_before: (away > SHORT).then(|| back + away * HOLD_OFF),
        }
    }
}

/// Sets whether this thread's shard yields to other processes.
pub(crate) fn set_enabled(enabled: bool) {
    ENABLED.set(enabled);
}

/// Yields to other tasks and, if the configuration and the policy allow, to other processes. Without other processes on
/// the core this costs next to nothing.
pub(crate) async fn yield_cpu() {
    if ENABLED.get() {
        let begun = now();
        if POLICY.get().is_due(begun) {
            std::thread::yield_now();
            POLICY.set(YieldPolicy::after(begun, now()));
        }
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
    fn the_cpu_is_yielded_less_often_after_a_long_absence() {
        let begun = now();
        let back = begun + SHORT;
        assert!(YieldPolicy::after(begun, back).is_due(back));
        let away = SHORT * 2;
        let back = begun + away;
        let policy = YieldPolicy::after(begun, back);
        assert!(!policy.is_due(back + away * HOLD_OFF - Duration::from_nanos(1)));
        assert!(policy.is_due(back + away * HOLD_OFF));
    }
}
