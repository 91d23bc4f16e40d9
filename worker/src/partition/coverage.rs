//! The entries of each room that no stored snapshot covers, and when the room is to be written (D8, D32).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use grandstand_common::id::RoomId;

use super::room_coverage::{CoverageLimits, RoomCoverage};
use crate::deadlines::Deadlines;
use crate::replay_cost::ReplaySize;

/// The delay before a write is tried again that found too many in flight.
const WRITE_AGAIN: Duration = Duration::from_millis(20);

/// The uncovered entries of a partition.
#[derive(Debug)]
pub(super) struct Coverage {
    limits: CoverageLimits,
    /// Whether every room with uncovered entries is due, because the partition is handed over.
    writes_all_now: bool,
    rooms: BTreeMap<RoomId, RoomCoverage>,
    /// The size of the entries since the last write of each room began.
    size: ReplaySize,
    /// The first uncovered entry of each room.
    uncovered: BTreeSet<(u64, RoomId)>,
    /// Rooms whose deletion is stored and whose keys are still there, with the entry that deleted each.
    deleted: BTreeSet<(u64, RoomId)>,
    /// The number of rooms with a write, a deletion of the key, or a read after a failed write in flight.
    in_flight: usize,
    /// Rooms that the bus does not take, because its limit of a value has become lower.
    held: BTreeSet<RoomId>,
    deadlines: Deadlines<RoomId>,
}

impl Coverage {
    pub(super) fn new(limits: CoverageLimits) -> Self {
        Self {
            limits,
            writes_all_now: false,
            rooms: BTreeMap::new(),
            size: ReplaySize::default(),
            uncovered: BTreeSet::new(),
            deleted: BTreeSet::new(),
            in_flight: 0,
            held: BTreeSet::new(),
            deadlines: Deadlines::default(),
        }
    }

    /// Forgets everything, because a takeover begins again.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Adds an entry that was applied to a room, with the bytes of the entry and of the room's last snapshot. Returns
    /// whether the room is due.
    pub(super) fn mark(&mut self, id: &RoomId, seq: u64, sizes: (u64, u64), now: Instant) -> bool {
        let (bytes, snapshot_bytes) = sizes;
        self.size.add_entry(bytes);
        let cover = match self.rooms.get_mut(id) {
            Some(cover) => cover,
            None => self.rooms.entry(id.clone()).or_default(),
        };
        if cover.mark(seq, bytes, snapshot_bytes, now) {
            self.uncovered.insert((seq, id.clone()));
        }
        let due = cover.due(self.limits, self.writes_all_now);
        self.deadlines.set(id, due);
        due.is_some_and(|at| at <= now)
    }

    /// Notes that a room's uncovered entry was stored `age` before `now`. Returns whether the room is due.
    pub(super) fn note_age(&mut self, id: &RoomId, age: Duration, now: Instant) -> bool {
        let latest = now + self.limits.max_delay.saturating_sub(age);
        if let Some(cover) = self.rooms.get_mut(id) {
            cover.set_latest(latest);
        }
        self.reschedule(id, now)
    }

    /// Sets whether the room is due as soon as it has uncovered entries. Returns whether it has become due by this.
    pub(super) fn set_urgent(&mut self, id: &RoomId, urgent: bool, now: Instant) -> bool {
        let Some(cover) = self.rooms.get_mut(id) else {
            return false;
        };
        cover.set_urgent(urgent, now) && self.reschedule(id, now)
    }

    /// Adds an entry that waits for its room to be loaded. The checkpoint cannot pass it until it is applied.
    pub(super) fn mark_waiting(&mut self, id: &RoomId, seq: u64) {
        let cover = self.rooms.entry(id.clone()).or_default();
        if cover.mark_waiting(seq) {
            self.uncovered.insert((seq, id.clone()));
        }
    }

    /// Makes a room due whose waiting entries were applied or found covered. Returns whether it is due now.
    pub(super) fn end_waiting(&mut self, id: &RoomId, now: Instant) -> bool {
        if let Some(cover) = self.rooms.get_mut(id) {
            cover.end_waiting(now);
        }
        self.reschedule(id, now)
    }

    /// Drops the uncovered entries of a room that will not be written. Returns the first of them.
    pub(super) fn clear(&mut self, id: &RoomId) -> Option<u64> {
        self.held.remove(id);
        let cover = self.rooms.get_mut(id)?;
        self.size.subtract(cover.size());
        let first = cover.clear();
        if let Some(first) = first {
            self.uncovered.remove(&(first, id.clone()));
        }
        if cover.is_clean() {
            self.rooms.remove(id);
        }
        self.deadlines.set(id, None);
        first
    }

    /// Returns the first uncovered entry of all rooms.
    pub(super) fn first(&self) -> Option<u64> {
        self.uncovered.first().map(|(seq, _)| *seq)
    }

    /// Returns the first uncovered entry of a room.
    pub(super) fn first_of(&self, id: &RoomId) -> Option<u64> {
        self.rooms.get(id)?.first()
    }

    /// Returns the number of rooms with uncovered entries.
    pub(super) fn uncovered(&self) -> usize {
        self.uncovered.len()
    }

    /// Whether a room has no uncovered entries and nothing in flight.
    pub(super) fn is_clean(&self, id: &RoomId) -> bool {
        !self.rooms.contains_key(id)
    }

    /// Whether a room has a write, a deletion of its key, or a read after a failed write in flight.
    pub(super) fn is_in_flight(&self, id: &RoomId) -> bool {
        self.rooms.get(id).is_some_and(RoomCoverage::is_in_flight)
    }

    /// Whether any room has something in flight.
    pub(super) fn has_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    pub(super) fn is_due(&self, id: &RoomId, now: Instant) -> bool {
        let cover = self.rooms.get(id);
        let due = cover.and_then(|cover| cover.due(self.limits, self.writes_all_now));
        due.is_some_and(|at| at <= now)
    }

    /// Returns the room whose entries have waited longest for a write, if all such entries exceed `limit`.
    pub(super) fn oldest_beyond(&self, limit: ReplaySize) -> Option<RoomId> {
        let mut oldest = self.uncovered.iter().filter(|_| self.size.exceeds(limit));
        let can_write = |id| self.rooms.get(id).is_some_and(RoomCoverage::can_write);
        oldest
            .find(|(_, id)| can_write(id))
            .map(|(_, id)| id.clone())
    }

    /// Returns the rooms that are due. The caller must write or [`postpone`](Self::postpone) each.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<RoomId> {
        self.deadlines.take_due(now)
    }

    /// Schedules the write of a due room for a little later, because too many writes are in flight.
    pub(super) fn postpone(&mut self, id: &RoomId, now: Instant) {
        self.deadlines.set(id, Some(now + WRITE_AGAIN));
    }

    /// Notes that the bus does not take a room that is due. Returns whether that is new.
    pub(super) fn hold(&mut self, id: &RoomId, now: Instant) -> bool {
        let Some(cover) = self.rooms.get_mut(id) else {
            return false;
        };
        cover.hold(now);
        self.reschedule(id, now);
        self.held.insert(id.clone())
    }

    /// Makes the rooms due again that the bus did not take, because its limits have changed.
    pub(super) fn retry_held(&mut self, now: Instant) {
        for id in self.held.clone() {
            if let Some(cover) = self.rooms.get_mut(&id) {
                cover.end_hold();
                self.reschedule(&id, now);
            }
        }
    }

    /// Makes a room due again that could not be stored.
    pub(super) fn retry(&mut self, id: &RoomId, now: Instant) {
        if self.held.contains(id)
            && let Some(cover) = self.rooms.get_mut(id)
        {
            cover.end_hold();
            self.reschedule(id, now);
        }
    }

    /// The number of rooms that the bus does not take.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Makes every room with uncovered entries due, from now on, for the handover. Returns these rooms.
    pub(super) fn write_all_now(&mut self) -> Vec<RoomId> {
        self.writes_all_now = true;
        self.uncovered.iter().map(|(_, id)| id.clone()).collect()
    }

    /// Notes that a write of the room's current state is in flight.
    pub(super) fn begin_write(&mut self, id: &RoomId) {
        let cover = self.rooms.entry(id.clone()).or_default();
        self.in_flight += usize::from(cover.begin_flight());
        self.size.subtract(cover.begin_write());
        self.deadlines.set(id, None);
    }

    /// Notes that a room's write is stored, which covers the entries before it. `deleted` is the entry that deleted the
    /// room, if the write says that. Returns whether the bus did not take the room before.
    pub(super) fn on_written(&mut self, id: &RoomId, deleted: Option<u64>, now: Instant) -> bool {
        let was_held = self.held.remove(id);
        let Some(cover) = self.rooms.get_mut(id) else {
            return was_held;
        };
        self.in_flight -= usize::from(cover.end_flight());
        let (first, next) = cover.on_written();
        if let Some(first) = first {
            self.uncovered.remove(&(first, id.clone()));
        }
        if let Some(next) = next {
            self.uncovered.insert((next, id.clone()));
        }
        if let Some(deleted) = deleted {
            self.deleted.insert((deleted, id.clone()));
        }
        self.reschedule(id, now);
        was_held
    }

    /// Notes that a room's write failed and the stored value is being read. After a conflict, in which another value
    /// was stored, the next write need not wait.
    pub(super) fn on_failed(&mut self, id: &RoomId, conflict: bool, now: Instant) {
        if let Some(cover) = self.rooms.get_mut(id) {
            cover.on_failed(conflict, now);
        }
    }

    /// Notes that the read after a failed write has ended. `read` is whether it succeeded.
    pub(super) fn on_read_back(&mut self, id: &RoomId, read: bool, now: Instant) {
        let Some(cover) = self.rooms.get_mut(id) else {
            return;
        };
        self.in_flight -= usize::from(cover.end_flight());
        cover.on_read_back(read, now);
        self.reschedule(id, now);
    }

    /// Removes and returns a room that was deleted before entry `seq` and whose key is still there.
    pub(super) fn pop_deleted(&mut self, seq: u64) -> Option<RoomId> {
        let (deleted, _) = self.deleted.first()?;
        if *deleted >= seq {
            return None;
        }
        self.deleted.pop_first().map(|(_, id)| id)
    }

    /// Adds a deleted room whose key a takeover found.
    pub(super) fn add_deleted(&mut self, id: &RoomId, deleted: u64) {
        self.deleted.insert((deleted, id.clone()));
    }

    /// Removes a deleted room that was created again: its key stays.
    pub(super) fn remove_deleted(&mut self, id: &RoomId, deleted: u64) {
        self.deleted.remove(&(deleted, id.clone()));
    }

    /// Notes that the deletion of a room's key is in flight.
    pub(super) fn begin_deletion(&mut self, id: &RoomId) {
        let cover = self.rooms.entry(id.clone()).or_default();
        self.in_flight += usize::from(cover.begin_flight());
        self.deadlines.set(id, None);
    }

    /// Notes that the deletion of a room's key has succeeded or failed.
    pub(super) fn on_deletion(&mut self, id: &RoomId, now: Instant) {
        if let Some(cover) = self.rooms.get_mut(id) {
            self.in_flight -= usize::from(cover.end_flight());
            self.reschedule(id, now);
        }
    }

    /// Lowers uncovered entries to `cut`, the next entry after a cut of the log (D11).
    pub(super) fn cut(&mut self, cut: u64) {
        let mut moved = Vec::new();
        for (id, cover) in &mut self.rooms {
            if let Some(first) = cover.cut(cut) {
                moved.push((first, id.clone()));
            }
        }
        for (first, id) in moved {
            self.uncovered.remove(&(first, id.clone()));
            self.uncovered.insert((cut, id));
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Sets a room's deadline, or forgets the room if it is clean. Returns whether it is due.
    fn reschedule(&mut self, id: &RoomId, now: Instant) -> bool {
        let Some(cover) = self.rooms.get(id) else {
            return false;
        };
        if cover.is_clean() {
            self.size.subtract(cover.size());
            self.rooms.remove(id);
            self.deadlines.set(id, None);
            return false;
        }
        let due = cover.due(self.limits, self.writes_all_now);
        self.deadlines.set(id, due);
        due.is_some_and(|at| at <= now)
    }
}

#[cfg(test)]
mod tests;
