//! When the volatile parts of watched rooms move on.

use std::time::{Duration, Instant};

use grandstand_common::id::RoomId;

use crate::deadlines::Deadlines;

/// The next ticks of rooms.
#[derive(Debug, Default)]
pub(super) struct Ticks {
    next: Deadlines<RoomId>,
}

impl Ticks {
    /// Starts, keeps or (`None`) ends the ticks of a room, `every` so long.
    pub(super) fn set(&mut self, id: &RoomId, every: Option<Duration>, now: Instant) {
        match every {
            Some(every) if self.next.get(id).is_none() => self.next.set(id, Some(now + every)),
            Some(_) => {}
            None => self.next.set(id, None),
        }
    }

    /// The rooms whose tick is due, with the time that it was due.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(RoomId, Instant)> {
        self.next.take_due_at(now)
    }

    /// Schedules the tick after one that was due at `at`. Missed ticks are not made up for.
    pub(super) fn advance(&mut self, id: &RoomId, at: Instant, every: Duration, now: Instant) {
        self.next.set(id, Some((at + every).max(now)));
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next.next()
    }
}
