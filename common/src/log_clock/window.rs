//! The samples of the log's time that count.

use std::collections::VecDeque;

/// The seconds for which a sample counts.
const SECONDS: u64 = 60;

/// The seconds after which a clock of the server that was set back is followed.
const SET_BACK_SECONDS: u64 = 3;

/// The difference above which a clock counts as set back, microseconds. Less is the delay of a message.
const SET_BACK_US: i64 = 1_000_000;

/// The greatest samples of the last [`SECONDS`]. A sample is the time of an entry minus the monotonic time at its
/// receipt. The delay of a message only makes it smaller, so the greatest one is the closest to the truth and never ahead
/// of it.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The greatest sample of each second that has any, with the second.
    best: VecDeque<(u64, i64)>,
}

impl Window {
    /// Adds a sample that was taken in this second. Returns the sample that counts.
    pub(super) fn add(&mut self, second: u64, sample: i64) -> i64 {
        match self.best.back_mut() {
            // Threads may report out of order.
            Some((last, best)) if *last >= second => *best = sample.max(*best),
            _ => self.best.push_back((second, sample)),
        }
        self.drop_before(second.saturating_sub(SECONDS - 1));
        let recent_from = second.saturating_sub(SET_BACK_SECONDS - 1);
        let recent = self.greatest_since(recent_from);
        let all = self.greatest_since(0);
        let seconds = self
            .best
            .iter()
            .filter(|(at, _)| *at >= recent_from)
            .count();
        if seconds as u64 == SET_BACK_SECONDS && all - recent > SET_BACK_US {
            self.drop_before(recent_from);
            return recent;
        }
        all
    }

    fn greatest_since(&self, second: u64) -> i64 {
        let since = self.best.iter().filter(|(at, _)| *at >= second);
        since.map(|(_, best)| *best).max().unwrap_or(i64::MIN)
    }

    fn drop_before(&mut self, second: u64) {
        while self.best.front().is_some_and(|(at, _)| *at < second) {
            self.best.pop_front();
        }
    }
}
