//! Timers that arm one another without a delay.

use super::checks::{Check, Failure};

/// The most timers of one instant.
const MOST: u32 = 1_000;

/// Counts the timers of one instant.
#[derive(Debug, Default)]
pub(super) struct TimersAtOnce {
    due_ms: u64,
    count: u32,
}

impl TimersAtOnce {
    /// Counts a timer that is due at this time, or fails if too many are.
    pub(super) fn count(&mut self, timer: &str, due_ms: u64) -> Result<(), Failure> {
        if due_ms > self.due_ms {
            (self.due_ms, self.count) = (due_ms, 0);
        }
        self.count += 1;
        if self.count > MOST {
            let message =
                format!("{MOST} timers at one instant: they arm one another without a delay");
            return Err(Check::Effects.fails(&format!("timer {timer}"), message));
        }
        Ok(())
    }
}
