//! The samples that one reader of entries gives to the clock of the log.

use std::time::Instant;

use super::estimate::LogClock;

/// Picks the entries of one reader that were stored a moment ago. An entry that was stored before the reader began shows
/// nothing about the time now.
#[derive(Debug)]
pub struct ReaderClock {
    clock: LogClock,
    /// Whether the reader has delivered all entries that were stored before it began.
    is_live: bool,
    /// The second of the last sample that was passed on, and the greatest sample of that second.
    passed_on: Option<(u64, i64)>,
}

impl ReaderClock {
    /// Returns a view of `clock` for one reader.
    pub fn new(clock: LogClock) -> Self {
        Self {
            clock,
            is_live: false,
            passed_on: None,
        }
    }

    /// Notes an entry that the reader delivered at `at` while `behind` more were stored.
    pub fn note(&mut self, at: Instant, time_ms: u64, behind: u64) {
        if behind > 0 {
            return;
        }
        if !std::mem::replace(&mut self.is_live, true) {
            return;
        }
        let second = self.clock.second(at);
        let sample = self.clock.sample(at, time_ms);
        // Most samples tell nothing new, and cost no lock.
        let is_new = self
            .passed_on
            .is_none_or(|(last, best)| second != last || sample > best);
        if is_new {
            self.passed_on = Some((second, sample));
            self.clock.add(second, sample);
        }
    }

    /// Notes that the reader has delivered all stored entries.
    pub fn note_idle(&mut self) {
        self.is_live = true;
    }
}
