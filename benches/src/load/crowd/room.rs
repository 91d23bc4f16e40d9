//! What a client knows of a room, and what is known of the room itself.

use std::collections::VecDeque;

use super::super::job::Pause;

/// A client in one of its rooms.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) version: u64,
    /// The last input that was sent.
    pub(super) seq: u64,
    /// When those were due that are not acked, the last of which is `seq`.
    waiting: VecDeque<u64>,
    pub(super) shown: bool,
}

impl Slot {
    /// The connection is gone: what was not acked is not resent, a load generator does not play.
    pub(super) fn lost(&mut self) {
        self.shown = false;
        self.waiting.clear();
    }

    /// It is in the room; its inputs go on behind this one.
    pub(super) fn joined(&mut self, last_seq: u64) {
        if self.waiting.is_empty() {
            self.seq = last_seq;
        }
    }

    /// Sends the next input; returns its number.
    pub(super) fn send(&mut self, due_ns: u64) -> u64 {
        self.seq += 1;
        self.waiting.push_back(due_ns);
        self.seq
    }

    /// All up to `seq` are acked: yields when each was due.
    pub(super) fn ack(&mut self, seq: u64) -> impl Iterator<Item = u64> {
        let first = self.seq + 1 - self.waiting.len() as u64;
        let acked = (seq + 1).saturating_sub(first) as usize;
        self.waiting.drain(..acked.min(self.waiting.len()))
    }

    /// How many are not acked.
    pub(super) fn unacked(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// When the oldest of them was due.
    pub(super) fn oldest_ns(&self) -> Option<u64> {
        self.waiting.front().copied()
    }

    /// An update came; whether it follows the last.
    pub(super) fn update(&mut self, prev: u64, version: u64) -> bool {
        let follows = self.version == prev;
        self.version = version;
        follows
    }
}

/// A room as its first client sees it.
#[derive(Debug, Default)]
pub(super) struct Track {
    epoch: Vec<u8>,
    last_ns: u64,
    gap_ns: u64,
    wait_ns: u64,
    /// The snapshot of a new owner came then.
    back_ns: Option<u64>,
}

impl Track {
    /// From now on. The gap since the last update counts.
    pub(super) fn begin(&mut self) {
        (self.gap_ns, self.wait_ns, self.back_ns) = (0, 0, None);
    }

    /// A snapshot came. A new owner's is the room's first sign of life: what was sent meanwhile is in it.
    pub(super) fn snapshot(&mut self, epoch: &[u8], now_ns: u64) {
        if self.epoch != epoch {
            if !self.epoch.is_empty() {
                self.back_ns = Some(now_ns);
                self.update(now_ns);
            }
            self.epoch = epoch.to_vec();
        }
    }

    /// An update came.
    pub(super) fn update(&mut self, now_ns: u64) {
        if self.last_ns > 0 {
            self.gap_ns = self.gap_ns.max(now_ns.saturating_sub(self.last_ns));
        }
        self.last_ns = now_ns;
    }

    /// An input was answered.
    pub(super) fn ack(&mut self, due_ns: u64, now_ns: u64) {
        self.wait_ns = self.wait_ns.max(now_ns.saturating_sub(due_ns));
    }

    /// Whether it has a new owner.
    pub(super) fn moved(&self) -> bool {
        self.back_ns.is_some()
    }

    /// The longest silence.
    pub(super) fn pause(&self, begin_ns: u64) -> Pause {
        Pause {
            gap_us: self.gap_ns / 1000,
            wait_us: self.wait_ns / 1000,
            back_us: self
                .back_ns
                .map_or(0, |back| back.saturating_sub(begin_ns) / 1000),
        }
    }
}
