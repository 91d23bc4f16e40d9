//! The ticks of watched rooms, which advance their volatile parts.

use std::time::{Duration, Instant};

use grandstand_common::id::RoomId;

use crate::deadlines::Deadlines;

/// The next tick of each room that has ticks.
#[derive(Debug, Default)]
pub(super) struct Ticks {
    next: Deadlines<RoomId>,
}

impl Ticks {
    /// Starts or keeps the ticks of a room with interval `every`, or ends them (`None`).
    pub(super) fn set(&mut self, id: &RoomId, every: Option<Duration>, now: Instant) {
        match every {
            Some(every) if self.next.get(id).is_none() => self.next.set(id, Some(now + every)),
            Some(_) => {}
            None => self.next.set(id, None),
        }
    }

    /// Returns the rooms whose tick is due, each with the time at which it was due.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(RoomId, Instant)> {
        self.next.take_due_at(now)
    }

    /// Schedules the tick after one that was due at `at`. Missed ticks are skipped.
    pub(super) fn advance(&mut self, id: &RoomId, at: Instant, every: Duration, now: Instant) {
        self.next.set(id, Some((at + every).max(now)));
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next.next()
    }
}
