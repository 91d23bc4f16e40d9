//! The deadlines of rooms' timers, and the timers whose entries are on their way through the log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use grandstand_common::id::RoomId;
use grandstand_common::wire;

use crate::command::Now;
use crate::deadlines::Deadlines;
use grandstand_game::host::Armed;

/// The time after which a timer's entry is appended again if the log has not shown it.
const APPEND_AGAIN: Duration = Duration::from_secs(1);

/// The timers of all rooms of a partition.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// The time at which each timer, by its arming, was last appended.
    appended: BTreeMap<RoomId, BTreeMap<u64, Instant>>,
    deadlines: Deadlines<RoomId>,
}

impl Timers {
    /// Schedules a room by its timers. `None` clears its deadline: the room does not exist.
    pub(super) fn set(&mut self, id: &RoomId, armed: Option<&BTreeMap<String, Armed>>, now: Now) {
        let Some(armed) = armed.filter(|armed| !armed.is_empty()) else {
            if !self.appended.is_empty() {
                self.appended.remove(id);
            }
            self.deadlines.set(id, None);
            return;
        };
        let appended = self.appended.get(id);
        let at = armed.values().map(|armed| {
            let due = now.at + Duration::from_millis(armed.due_ms.saturating_sub(now.unix_ms));
            let appended = appended.and_then(|appended| appended.get(&armed.arming));
            appended.map_or(due, |at| due.max(*at + APPEND_AGAIN))
        });
        self.deadlines.set(id, at.min());
    }

    /// Returns the rooms whose timers may be due. The caller must [`set`](Self::set) each again.
    pub(super) fn take_due(&mut self, now: Now) -> Vec<RoomId> {
        self.deadlines.take_due(now.at)
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
            if armed.due_ms <= now.unix_ms && again {
                appended.insert(armed.arming, now.at);
                due.push(wire::Timer {
                    name: name.clone(),
                    arming: armed.arming,
                });
            }
        }
        due
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }
}
