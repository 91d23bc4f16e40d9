//! The lag of a loop: how late a timer of its thread fires.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use crate::histogram::{LocalHistogram, micros};

/// The interval of the timer.
const TICK: Duration = Duration::from_millis(100);

/// The ticks after which the lag is published.
const PUBLISH: u32 = 10;

/// Measures the lag of the thread that drives it, forever. The runtime's timers have a resolution of a millisecond, so
/// that a loop without any load is up to a millisecond late.
pub async fn drive_lag(lag: LocalHistogram) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 1_u32.. {
        let due = ticks.tick().await;
        lag.observe(micros(Instant::now().saturating_duration_since(due)));
        if number % PUBLISH == 0 {
            lag.publish();
        }
    }
}
