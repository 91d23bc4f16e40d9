//! A client's state in a room, and the state of the room itself.

use std::collections::VecDeque;

use super::super::job::Pause;

/// The time between two ticks of an arena, nanoseconds.
const TICK_NS: u64 = 1_000_000_000 / 30;

/// A client in one of its rooms.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) version: u64,
    /// The sequence number of the last input.
    pub(super) seq: u64,
    /// The due times of unacked inputs; the last one belongs to `seq`.
    waiting: VecDeque<u64>,
    pub(super) shown: bool,
    /// The last frame of a room in real time: its tick, and when it came.
    frame: Option<(u64, u64)>,
}

impl Slot {
    /// Handles a lost connection. Unacked inputs are not sent again, because a load generator needs no exact game.
    pub(super) fn lost(&mut self) {
        self.shown = false;
        self.frame = None;
        self.waiting.clear();
    }

    /// Handles `joined`. The next inputs follow `last_seq`.
    pub(super) fn joined(&mut self, last_seq: u64) {
        if self.waiting.is_empty() {
            self.seq = last_seq;
        }
    }

    /// Records the next input and returns its sequence number.
    pub(super) fn send(&mut self, due_ns: u64) -> u64 {
        self.seq += 1;
        self.waiting.push_back(due_ns);
        self.seq
    }

    /// Handles an ack of all inputs up to `seq` and returns their due times.
    pub(super) fn ack(&mut self, seq: u64) -> impl Iterator<Item = u64> {
        let first = self.seq + 1 - self.waiting.len() as u64;
        let acked = (seq + 1).saturating_sub(first) as usize;
        self.waiting.drain(..acked.min(self.waiting.len()))
    }

    /// Handles the answer to the oldest ping, and returns its due time.
    pub(super) fn pong(&mut self) -> Option<u64> {
        self.waiting.pop_front()
    }

    /// The number of unacked inputs.
    pub(super) fn unacked(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// The due time of the oldest unacked input.
    pub(super) fn oldest_ns(&self) -> Option<u64> {
        self.waiting.front().copied()
    }

    /// Handles a frame of an arena. Returns by how much the time since the last one differs from that of the ticks between
    /// them, nanoseconds.
    pub(super) fn frame(&mut self, tick: u64, now_ns: u64) -> Option<u64> {
        let (last_tick, last_ns) = self.frame.replace((tick, now_ns))?;
        let ticks = tick.checked_sub(last_tick).filter(|ticks| *ticks > 0)?;
        Some((now_ns - last_ns).abs_diff(ticks * TICK_NS))
    }

    /// Handles an update and returns whether it follows the last one.
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
    /// The time at which the snapshot of a new owner came.
    back_ns: Option<u64>,
}

impl Track {
    /// Starts watching now. The time since the last update counts.
    pub(super) fn begin(&mut self) {
        (self.gap_ns, self.wait_ns, self.back_ns) = (0, 0, None);
    }

    /// Handles a snapshot. A new owner's snapshot ends the pause because it contains all earlier inputs.
    pub(super) fn snapshot(&mut self, epoch: &[u8], now_ns: u64) {
        if self.epoch != epoch {
            if !self.epoch.is_empty() {
                self.back_ns = Some(now_ns);
                self.update(now_ns);
            }
            self.epoch = epoch.to_vec();
        }
    }

    /// Handles an update.
    pub(super) fn update(&mut self, now_ns: u64) {
        if self.last_ns > 0 {
            self.gap_ns = self.gap_ns.max(now_ns.saturating_sub(self.last_ns));
        }
        self.last_ns = now_ns;
    }

    /// Handles an ack.
    pub(super) fn ack(&mut self, due_ns: u64, now_ns: u64) {
        self.wait_ns = self.wait_ns.max(now_ns.saturating_sub(due_ns));
    }

    /// Whether the room has a new owner.
    pub(super) fn moved(&self) -> bool {
        self.back_ns.is_some()
    }

    /// The longest pause.
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
