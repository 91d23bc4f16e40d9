//! The position of a partition in its log.

use std::time::Instant;

/// The number of entries waiting for stored rooms at which the reading of the log pauses. It resumes below half of it.
const MAX_WAITING: usize = 4_096;

/// The position of a partition in its log, and whether the reading is paused.
#[derive(Debug, Default)]
pub(super) struct LogReading {
    /// The next entry. All before it were accepted.
    next_seq: u64,
    /// The number of entries that wait for rooms that are being read.
    waiting: usize,
    /// The number of entries that were stored behind the last one when it was sent.
    behind: u64,
    /// Whether the reader is closed because too many entries wait.
    paused: bool,
    /// The time at which the log is measured again after a failure.
    retry_at: Option<Instant>,
}

impl LogReading {
    /// Sets the next entry, at the takeover and after a cut.
    pub(super) fn seek(&mut self, next_seq: u64) {
        self.next_seq = next_seq;
    }

    pub(super) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Returns the last entry that was accepted, or 0.
    pub(super) fn reached(&self) -> u64 {
        self.next_seq.saturating_sub(1)
    }

    /// Moves the position past an entry. Returns whether the entry is new.
    pub(super) fn accept(&mut self, seq: u64) -> bool {
        let is_new = seq >= self.next_seq;
        if is_new {
            self.next_seq = seq + 1;
        }
        is_new
    }

    /// Sets how many entries were stored behind the last one when it was sent.
    pub(super) fn set_behind(&mut self, behind: u64) {
        self.behind = behind;
    }

    /// Returns the number of entries that are not applied yet, as far as is known.
    pub(super) fn unapplied(&self) -> u64 {
        self.behind + self.waiting as u64
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Counts an entry that waits for its room. Returns whether the reading pauses, so that the reader is to be closed.
    pub(super) fn add_waiting(&mut self) -> bool {
        self.waiting += 1;
        self.waiting >= MAX_WAITING && !std::mem::replace(&mut self.paused, true)
    }

    /// Counts `count` waiting entries down.
    pub(super) fn remove_waiting(&mut self, count: usize) {
        self.waiting -= count;
    }

    /// Resumes a paused reading if few enough entries wait. Returns the entry to read from if it does.
    pub(super) fn resume(&mut self) -> Option<u64> {
        let resumes = self.paused && self.waiting < MAX_WAITING / 2;
        self.paused &= !resumes;
        resumes.then_some(self.next_seq)
    }

    /// Sets when the log is measured again.
    pub(super) fn retry_at(&mut self, at: Instant) {
        self.retry_at = Some(at);
    }

    /// Returns whether the log is to be measured again now.
    pub(super) fn take_retry(&mut self, now: Instant) -> bool {
        self.retry_at.take_if(|at| *at <= now).is_some()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.retry_at
    }
}

#[cfg(test)]
mod tests;
