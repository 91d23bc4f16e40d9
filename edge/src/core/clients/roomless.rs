//! The time for which a client has been in no room.

use std::time::Duration;

use crate::time::coarse::CoarseInstant;

/// A client's time in no room, in 8 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Roomless {
    /// The time at which it began, unless the client is in a room.
    since: CoarseInstant,
    /// A timer is set. It stays set while the client joins and leaves, so that there is never a second one.
    is_armed: bool,
}

impl Roomless {
    /// The client connects.
    pub(super) fn new(now: CoarseInstant) -> Self {
        Self {
            since: now,
            is_armed: false,
        }
    }

    /// The client is in no room from now on. Returns whether its timer must be set.
    pub(super) fn begin(&mut self, now: CoarseInstant) -> bool {
        self.since = now;
        !std::mem::replace(&mut self.is_armed, true)
    }

    /// The timer has expired. Returns what is left of the longest time, for which it is set again; zero if nothing is, and
    /// `None` if the client is in a room.
    pub(super) fn look(
        &mut self,
        is_in_room: bool,
        most: Duration,
        now: CoarseInstant,
    ) -> Option<Duration> {
        let left = most.saturating_sub(now.since(self.since));
        self.is_armed = !is_in_room && !left.is_zero();
        (!is_in_room).then_some(left)
    }
}
