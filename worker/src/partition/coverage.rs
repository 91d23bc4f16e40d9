//! The entries of each room that no stored snapshot covers, and when the room is to be written (D8, D32).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use grandstand_common::id::RoomId;

use crate::deadlines::Deadlines;
use crate::replay_cost::ReplaySize;

/// The delay before a write is tried again that found too many in flight.
const WRITE_AGAIN: Duration = Duration::from_millis(20);
/// The delay before a failed write is repeated.
const RETRY: Duration = Duration::from_millis(250);

/// The delay before a write is tried again that the bus does not take, unless its limits change before.
const HELD_RETRY: Duration = Duration::from_secs(30);

/// The bytes of a snapshot after which the next one may wait longer.
const SNAPSHOT_UNIT: u64 = 64 * 1024;

/// The limits of uncovered entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The number of entries since its last write at which a room is written.
    pub(super) entries: u64,
    /// The bytes of entries since its last write above which a room is written, unless its snapshot is larger.
    pub(super) bytes: u64,
    /// The longest time from an entry to the write of its room, for each begun [`SNAPSHOT_UNIT`] of its snapshot.
    pub(super) delay: Duration,
    /// The longest time from an entry to the write of its room, however large that is.
    pub(super) max_delay: Duration,
}

/// The uncovered entries of a partition.
#[derive(Debug)]
pub(super) struct Coverage {
    limits: Limits,
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

/// The uncovered entries of a room and its write in flight. A room has one while it has either.
#[derive(Debug, Default)]
struct RoomCoverage {
    /// The first uncovered entry. The checkpoint cannot pass it.
    first: Option<u64>,
    /// The first entry after the write in flight began.
    next_first: Option<u64>,
    /// The size of the entries since the last write began.
    size: ReplaySize,
    /// The bytes of the last snapshot.
    snapshot_bytes: u64,
    /// The time of the first entry since the last write began. `None` also while all uncovered entries wait for the
    /// room to be loaded.
    since: Option<Instant>,
    /// When the room is to be written at the latest, because a predecessor has left entries uncovered for long.
    latest: Option<Instant>,
    /// Whether a write, a deletion of the key, or the read after a failed write is in flight.
    in_flight: bool,
    /// The earliest time of the next write, after one failed.
    not_before: Option<Instant>,
    /// Whether the room is due at once: it was deleted, is in quarantine, or runs again after one.
    is_urgent: bool,
}

impl RoomCoverage {
    /// Returns when the room is to be written. `None` while no entry is uncovered, a write is in flight, or the entries
    /// wait for the room to be loaded.
    fn due(&self, limits: Limits, writes_all_now: bool) -> Option<Instant> {
        self.first.filter(|_| !self.in_flight)?;
        let since = self.since?;
        let is_large = self.size.entries >= limits.entries
            || self.size.bytes > limits.bytes.max(self.snapshot_bytes);
        let at = if writes_all_now || self.is_urgent || is_large {
            since
        } else {
            let units = self.snapshot_bytes.div_ceil(SNAPSHOT_UNIT).clamp(1, 64);
            since + (limits.delay * units as u32).min(limits.max_delay)
        };
        let at = self.latest.map_or(at, |latest| at.min(latest));
        Some(self.not_before.map_or(at, |before| at.max(before)))
    }
}

impl Coverage {
    pub(super) fn new(limits: Limits) -> Self {
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
    pub(super) fn mark(
        &mut self,
        id: &RoomId,
        seq: u64,
        (bytes, snapshot_bytes): (u64, u64),
        now: Instant,
    ) -> bool {
        self.size.add_entry(bytes);
        let cover = match self.rooms.get_mut(id) {
            Some(cover) => cover,
            None => self.rooms.entry(id.clone()).or_default(),
        };
        cover.size.add_entry(bytes);
        cover.snapshot_bytes = snapshot_bytes;
        cover.since.get_or_insert(now);
        if cover.first.is_none() {
            cover.first = Some(seq);
            self.uncovered.insert((seq, id.clone()));
        } else if cover.in_flight {
            cover.next_first.get_or_insert(seq);
        }
        let due = cover.due(self.limits, self.writes_all_now);
        self.deadlines.set(id, due);
        due.is_some_and(|at| at <= now)
    }

    /// Notes that a room's uncovered entry was stored `age` before `now`. Returns whether the room is due.
    pub(super) fn note_age(&mut self, id: &RoomId, age: Duration, now: Instant) -> bool {
        let latest = now + self.limits.max_delay.saturating_sub(age);
        if let Some(cover) = self.rooms.get_mut(id) {
            cover.latest = Some(cover.latest.map_or(latest, |before| before.min(latest)));
        }
        self.reschedule(id, now)
    }

    /// Sets whether the room is due as soon as it has uncovered entries. Returns whether it has become due by this.
    pub(super) fn set_urgent(&mut self, id: &RoomId, urgent: bool, now: Instant) -> bool {
        let Some(cover) = self.rooms.get_mut(id) else {
            return false;
        };
        if urgent && cover.first.is_some() && !cover.in_flight {
            cover.since.get_or_insert(now);
        }
        std::mem::replace(&mut cover.is_urgent, urgent) != urgent && self.reschedule(id, now)
    }

    /// Adds an entry that waits for its room to be loaded. The checkpoint cannot pass it until it is applied.
    pub(super) fn mark_waiting(&mut self, id: &RoomId, seq: u64) {
        let cover = self.rooms.entry(id.clone()).or_default();
        if cover.first.is_none() {
            cover.first = Some(seq);
            self.uncovered.insert((seq, id.clone()));
        }
    }

    /// Makes a room due whose waiting entries were applied or found covered. Returns whether it is due now.
    pub(super) fn end_waiting(&mut self, id: &RoomId, now: Instant) -> bool {
        if let Some(cover) = self.rooms.get_mut(id)
            && cover.first.is_some()
            && cover.since.is_none()
        {
            cover.since = Some(now);
            cover.is_urgent = true;
        }
        self.reschedule(id, now)
    }

    /// Drops the uncovered entries of a room that will not be written. Returns the first of them.
    pub(super) fn clear(&mut self, id: &RoomId) -> Option<u64> {
        self.held.remove(id);
        let cover = self.rooms.get_mut(id)?;
        self.size.subtract(cover.size);
        let first = cover.first.take();
        if let Some(first) = first {
            self.uncovered.remove(&(first, id.clone()));
        }
        let in_flight = cover.in_flight;
        *cover = RoomCoverage {
            in_flight,
            ..RoomCoverage::default()
        };
        if !in_flight {
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
        self.rooms.get(id)?.first
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
        self.rooms.get(id).is_some_and(|cover| cover.in_flight)
    }

    /// Whether any room has something in flight.
    pub(super) fn has_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    /// Whether a room is due.
    pub(super) fn is_due(&self, id: &RoomId, now: Instant) -> bool {
        let cover = self.rooms.get(id);
        let due = cover.and_then(|cover| cover.due(self.limits, self.writes_all_now));
        due.is_some_and(|at| at <= now)
    }

    /// Returns the room whose entries have waited longest for a write, if all such entries exceed `limit`.
    pub(super) fn oldest_beyond(&self, limit: ReplaySize) -> Option<RoomId> {
        let mut oldest = self.uncovered.iter().filter(|_| self.size.exceeds(limit));
        let can_write = |id| {
            let cover = self.rooms.get(id);
            cover.is_some_and(|c| !c.in_flight && c.since.is_some() && c.not_before.is_none())
        };
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
        cover.since.get_or_insert(now);
        cover.not_before = Some(now + HELD_RETRY);
        self.reschedule(id, now);
        self.held.insert(id.clone())
    }

    /// Makes the rooms due again that the bus did not take, because its limits have changed.
    pub(super) fn retry_held(&mut self, now: Instant) {
        for id in self.held.clone() {
            if let Some(cover) = self.rooms.get_mut(&id) {
                cover.not_before = None;
                self.reschedule(&id, now);
            }
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
        self.in_flight += usize::from(!std::mem::replace(&mut cover.in_flight, true));
        self.size.subtract(std::mem::take(&mut cover.size));
        (cover.since, cover.latest) = (None, None);
        cover.is_urgent = false;
        cover.next_first = None;
        self.deadlines.set(id, None);
    }

    /// Notes that a room's write is stored, which covers the entries before it. `deleted` is the entry that deleted the
    /// room, if the write says that. Returns whether the bus did not take the room before.
    pub(super) fn on_written(&mut self, id: &RoomId, deleted: Option<u64>, now: Instant) -> bool {
        let was_held = self.held.remove(id);
        let Some(cover) = self.rooms.get_mut(id) else {
            return was_held;
        };
        self.in_flight -= usize::from(std::mem::take(&mut cover.in_flight));
        cover.not_before = None;
        let next = cover.next_first.take();
        if let Some(first) = std::mem::replace(&mut cover.first, next) {
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
        let Some(cover) = self.rooms.get_mut(id) else {
            return;
        };
        cover.next_first = None;
        cover.since.get_or_insert(now);
        cover.not_before = (!conflict).then_some(now + RETRY);
    }

    /// Notes that the read after a failed write has ended. `read` is whether it succeeded.
    pub(super) fn on_read_back(&mut self, id: &RoomId, read: bool, now: Instant) {
        let Some(cover) = self.rooms.get_mut(id) else {
            return;
        };
        self.in_flight -= usize::from(std::mem::take(&mut cover.in_flight));
        match read {
            true => (cover.since, cover.is_urgent) = (Some(now), true),
            false => cover.not_before = Some(now + RETRY),
        }
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
        self.in_flight += usize::from(!std::mem::replace(&mut cover.in_flight, true));
        self.deadlines.set(id, None);
    }

    /// Notes that the deletion of a room's key has succeeded or failed.
    pub(super) fn on_deletion(&mut self, id: &RoomId, now: Instant) {
        if let Some(cover) = self.rooms.get_mut(id) {
            self.in_flight -= usize::from(std::mem::take(&mut cover.in_flight));
            self.reschedule(id, now);
        }
    }

    /// Lowers uncovered entries to `cut`, the next entry after a cut of the log (D11).
    pub(super) fn cut(&mut self, cut: u64) {
        let mut moved = Vec::new();
        for (id, cover) in &mut self.rooms {
            if let Some(first) = cover.first.filter(|first| *first > cut) {
                cover.first = Some(cut);
                moved.push((first, id.clone()));
            }
            cover.next_first = cover.next_first.map(|next| next.min(cut));
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
        if cover.first.is_none() && !cover.in_flight {
            self.size.subtract(cover.size);
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
