//! The deadlines of rooms' timers, and the timers whose entries are on their way through the log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use grandstand_common::id::RoomId;
use grandstand_common::wire;
use grandstand_game::host::Armed;

use crate::command::Now;
use crate::deadlines::Deadlines;

/// The time after which a timer's entry is appended again if the log has not shown it.
const APPEND_AGAIN: Duration = Duration::from_secs(1);

/// A time that is not worth a more exact deadline.
const FAR: Duration = Duration::from_secs(3_600);

/// The timers of all rooms of a partition.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// The time at which each timer, by its arming, was last appended.
    appended: BTreeMap<RoomId, BTreeMap<u64, Instant>>,
    /// The due times of rooms' next timers by the clock of the log, Unix milliseconds.
    due: Deadlines<RoomId, u64>,
    /// The times at which rooms' timers are appended again.
    again: Deadlines<RoomId>,
}

impl Timers {
    /// Schedules a room by its timers. `None` clears its deadlines: the room does not exist.
    pub(super) fn set(&mut self, id: &RoomId, armed: Option<&BTreeMap<String, Armed>>, now: Now) {
        let Some(armed) = armed.filter(|armed| !armed.is_empty()) else {
            if !self.appended.is_empty() {
                self.appended.remove(id);
            }
            self.due.set(id, None);
            self.again.set(id, None);
            return;
        };
        let appended = self.appended.get(id);
        let appended = |armed: &Armed| appended.and_then(|appended| appended.get(&armed.arming));
        let due = armed.values().map(|armed| match appended(armed) {
            Some(at) if armed.due_ms <= now.log_ms => (None, Some(*at + APPEND_AGAIN)),
            _ => (Some(armed.due_ms), None),
        });
        let (due, again): (Vec<_>, Vec<_>) = due.unzip();
        self.due.set(id, due.into_iter().flatten().min());
        self.again.set(id, again.into_iter().flatten().min());
    }

    /// Clears a room's deadlines, until its timers are set again.
    pub(super) fn set_none(&mut self, id: &RoomId) {
        self.due.set(id, None);
        self.again.set(id, None);
    }

    /// Returns the rooms whose timers may be due. The caller must [`set`](Self::set) each again.
    pub(super) fn take_due(&mut self, now: Now) -> Vec<RoomId> {
        let mut rooms = self.due.take_due(now.log_ms);
        rooms.extend(self.again.take_due(now.at));
        rooms
    }

    /// Returns the timers of a room that are due and were not appended within [`APPEND_AGAIN`], and takes them as
    /// appended now.
    pub(super) fn append_due(
        &mut self,
        id: &RoomId,
        armed: &BTreeMap<String, Armed>,
        now: Now,
    ) -> Vec<wire::Timer> {
        let appended = self.appended.entry(id.clone()).or_default();
        appended.retain(|arming, _| armed.values().any(|armed| armed.arming == *arming));
        let mut due = Vec::new();
        for (name, armed) in armed {
            let before = appended.get(&armed.arming);
            let again = before.is_none_or(|at| now.at >= *at + APPEND_AGAIN);
            if armed.due_ms <= now.log_ms && again {
                appended.insert(armed.arming, now.at);
                due.push(wire::Timer {
                    name: name.clone(),
                    arming: armed.arming,
                });
            }
        }
        due
    }

    /// The time at which the next timer is due, as far as is known at `now`.
    pub(super) fn poll_timeout(&self, now: Now) -> Option<Instant> {
        let due = self.due.next().map(|due_ms| {
            let left = Duration::from_millis(due_ms.saturating_sub(now.log_ms));
            now.at.checked_add(left).unwrap_or(now.at + FAR)
        });
        [due, self.again.next()].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
