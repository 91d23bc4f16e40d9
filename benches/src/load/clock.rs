//! The clock that all processes of a run share.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the system's monotonic clock. It is the same in all processes, so one process can read the timestamp
/// of another.
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Neither is negative on a monotonic clock.
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
