//! How far a partition's log was read.

use std::time::Instant;

/// Entries that may wait for rooms that are being read: beyond it the log is not read on.
const MAX_WAITING: usize = 4_096;

/// The reading of a partition's log.
#[derive(Debug, Default)]
pub(super) struct LogReading {
    /// Entries before it were handled.
    next_seq: u64,
    /// Entries that wait for rooms that are being read.
    waiting: usize,
    /// So many wait that the log is not read on.
    paused: bool,
    /// When its end is looked up again, after that failed.
    retry_at: Option<Instant>,
}

impl LogReading {
    /// Reads from entry `next_seq` on: at the start, and after a cut.
    pub(super) fn seek(&mut self, next_seq: u64) {
        self.next_seq = next_seq;
    }

    pub(super) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The last entry that was handled.
    pub(super) fn reached(&self) -> u64 {
        self.next_seq.saturating_sub(1)
    }

    /// Whether an entry is new.
    pub(super) fn accept(&mut self, seq: u64) -> bool {
        let is_new = seq >= self.next_seq;
        if is_new {
            self.next_seq = seq + 1;
        }
        is_new
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// One more entry waits for its room. Returns whether the reader is to be closed.
    pub(super) fn add_waiting(&mut self) -> bool {
        self.waiting += 1;
        self.waiting >= MAX_WAITING && !std::mem::replace(&mut self.paused, true)
    }

    /// So many entries wait no longer.
    pub(super) fn remove_waiting(&mut self, count: usize) {
        self.waiting -= count;
    }

    /// Returns from where to read on if the reading was paused and few entries wait by now.
    pub(super) fn resume(&mut self) -> Option<u64> {
        let resumes = self.paused && self.waiting < MAX_WAITING / 2;
        self.paused &= !resumes;
        resumes.then_some(self.next_seq)
    }

    pub(super) fn retry_at(&mut self, at: Instant) {
        self.retry_at = Some(at);
    }

    /// Whether the log's end is to be looked up again.
    pub(super) fn take_retry(&mut self, now: Instant) -> bool {
        self.retry_at.take_if(|at| *at <= now).is_some()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.retry_at
    }
}
