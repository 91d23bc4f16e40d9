//! When the timers of rooms are due, and which of them were appended to the log just now.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use grandstand_common::id::RoomId;
use grandstand_common::wire;

use crate::command::Now;
use crate::deadlines::Deadlines;
use crate::room::Armed;

/// How long a timer's entry is awaited in the log before it is appended again.
const APPEND_AGAIN: Duration = Duration::from_secs(1);

/// The timers of all rooms of a partition.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// When a timer of this arming was last appended.
    appended: BTreeMap<RoomId, BTreeMap<u64, Instant>>,
    deadlines: Deadlines<RoomId>,
}

impl Timers {
    /// Takes a room's timers as they are now; `None` if it has no state.
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

    /// The rooms that may have due timers; each is to be [`set`](Self::set) again.
    pub(super) fn take_due(&mut self, now: Now) -> Vec<RoomId> {
        self.deadlines.take_due(now.at)
    }

    /// The timers of a room that are due and were not appended just now.
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
