//! Which entries of each room no stored snapshot covers, and when the room is to be written (D8).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use grandstand_common::id::RoomId;

use crate::deadlines::Deadlines;

/// When a write is tried again that found too many in flight.
const WRITE_AGAIN: Duration = Duration::from_millis(20);
/// When a write that failed is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// How long rooms may stay uncovered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Uncovered entries after which a room is written.
    pub(super) entries: u32,
    /// How long an entry stays uncovered.
    pub(super) delay: Duration,
}

/// The uncovered entries of a partition.
#[derive(Debug)]
pub(super) struct Coverage {
    limits: Limits,
    /// The partition is handed over: every room is due.
    writes_all_now: bool,
    rooms: BTreeMap<RoomId, Cover>,
    /// The first uncovered entry of each room.
    uncovered: BTreeSet<(u64, RoomId)>,
    /// Deleted rooms whose markers are stored, with the entry that deleted them.
    deleted: BTreeSet<(u64, RoomId)>,
    /// Writes, deletions and reads after a failure.
    in_flight: usize,
    deadlines: Deadlines<RoomId>,
}

/// A room with uncovered entries, or with a write in flight.
#[derive(Debug, Default)]
struct Cover {
    /// The first uncovered entry; holds the checkpoint back.
    first: Option<u64>,
    /// The first entry behind the write that is in flight.
    next: Option<u64>,
    /// Entries since the last write began.
    count: u32,
    /// When the first of these came.
    since: Option<Instant>,
    /// A write, or the read after one that failed, is in flight.
    in_flight: bool,
    /// No write before.
    not_before: Option<Instant>,
    /// It is due whatever its count: the room was deleted.
    at_once: bool,
}

impl Cover {
    /// When it is to be written. `None` while nothing is uncovered, a write is in flight, or the entries wait for the
    /// room to be read.
    fn due(&self, limits: Limits, writes_all_now: bool) -> Option<Instant> {
        self.first.filter(|_| !self.in_flight)?;
        let since = self.since?;
        let at_once = writes_all_now || self.at_once || self.count >= limits.entries;
        let at = if at_once { since } else { since + limits.delay };
        Some(self.not_before.map_or(at, |before| at.max(before)))
    }
}

impl Coverage {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            writes_all_now: false,
            rooms: BTreeMap::new(),
            uncovered: BTreeSet::new(),
            deleted: BTreeSet::new(),
            in_flight: 0,
            deadlines: Deadlines::default(),
        }
    }

    /// An entry was applied to a room. Returns whether the room is to be written now.
    pub(super) fn mark(&mut self, id: &RoomId, seq: u64, now: Instant) -> bool {
        let cover = match self.rooms.get_mut(id) {
            Some(cover) => cover,
            None => self.rooms.entry(id.clone()).or_default(),
        };
        cover.count = cover.count.saturating_add(1);
        cover.since.get_or_insert(now);
        if cover.first.is_none() {
            cover.first = Some(seq);
            self.uncovered.insert((seq, id.clone()));
        } else if cover.in_flight {
            cover.next.get_or_insert(seq);
        }
        let due = cover.due(self.limits, self.writes_all_now);
        self.deadlines.set(id, due);
        due.is_some_and(|at| at <= now)
    }

    /// A room was deleted by its last entry, or made again (`false`).
    pub(super) fn set_deleted(&mut self, id: &RoomId, deleted: bool, now: Instant) -> bool {
        self.rooms
            .get_mut(id)
            .is_some_and(|cover| std::mem::replace(&mut cover.at_once, deleted) != deleted)
            && self.reschedule(id, now)
    }

    /// An entry waits for a room that is being read: until it is applied, it holds the checkpoint back.
    pub(super) fn mark_waiting(&mut self, id: &RoomId, seq: u64) {
        let cover = self.rooms.entry(id.clone()).or_default();
        if cover.first.is_none() {
            cover.first = Some(seq);
            self.uncovered.insert((seq, id.clone()));
        }
    }

    /// The entries that waited for a room were applied, or were covered before: what is uncovered is due now.
    pub(super) fn end_waiting(&mut self, id: &RoomId, now: Instant) -> bool {
        if let Some(cover) = self.rooms.get_mut(id)
            && cover.first.is_some()
            && cover.since.is_none()
        {
            cover.since = Some(now.checked_sub(self.limits.delay).unwrap_or(now));
        }
        self.reschedule(id, now)
    }

    /// Nothing of a room is to be written any more. Returns its first uncovered entry.
    pub(super) fn clear(&mut self, id: &RoomId) -> Option<u64> {
        let cover = self.rooms.get_mut(id)?;
        let first = cover.first.take();
        if let Some(first) = first {
            self.uncovered.remove(&(first, id.clone()));
        }
        let in_flight = cover.in_flight;
        *cover = Cover {
            in_flight,
            ..Cover::default()
        };
        if !in_flight {
            self.rooms.remove(id);
        }
        self.deadlines.set(id, None);
        first
    }

    /// The first entry that is uncovered.
    pub(super) fn first(&self) -> Option<u64> {
        self.uncovered.first().map(|(seq, _)| *seq)
    }

    /// Whether nothing of a room is uncovered or in flight.
    pub(super) fn is_clean(&self, id: &RoomId) -> bool {
        !self.rooms.contains_key(id)
    }

    /// Whether a write of a room, or the read after one that failed, is in flight.
    pub(super) fn is_in_flight(&self, id: &RoomId) -> bool {
        self.rooms.get(id).is_some_and(|cover| cover.in_flight)
    }

    /// Whether writes of rooms, or reads after ones that failed, are in flight.
    pub(super) fn has_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    /// Whether a room is to be written now.
    pub(super) fn is_due(&self, id: &RoomId, now: Instant) -> bool {
        let cover = self.rooms.get(id);
        let due = cover.and_then(|cover| cover.due(self.limits, self.writes_all_now));
        due.is_some_and(|at| at <= now)
    }

    /// The rooms that are due; each is to be written or [`postpone`](Self::postpone)d.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<RoomId> {
        self.deadlines.take_due(now)
    }

    /// A room that is due cannot be written now.
    pub(super) fn postpone(&mut self, id: &RoomId, now: Instant) {
        self.deadlines.set(id, Some(now + WRITE_AGAIN));
    }

    /// The partition is handed over: returns the uncovered rooms, which are all due.
    pub(super) fn write_all_now(&mut self) -> Vec<RoomId> {
        self.writes_all_now = true;
        self.uncovered.iter().map(|(_, id)| id.clone()).collect()
    }

    /// A room's snapshot is being written as it is now.
    pub(super) fn begin_write(&mut self, id: &RoomId) {
        let cover = self.rooms.entry(id.clone()).or_default();
        self.in_flight += usize::from(!std::mem::replace(&mut cover.in_flight, true));
        cover.count = 0;
        cover.since = None;
        cover.next = None;
        self.deadlines.set(id, None);
    }

    /// A room's snapshot is stored. `deleted`: it says that entry `deleted` deleted the room.
    pub(super) fn on_written(&mut self, id: &RoomId, deleted: Option<u64>, now: Instant) {
        let Some(cover) = self.rooms.get_mut(id) else {
            return;
        };
        self.in_flight -= usize::from(std::mem::take(&mut cover.in_flight));
        cover.not_before = None;
        let next = cover.next.take();
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
    }

    /// A room's write failed, and what is stored is being read. `conflict`: another value was stored, and can be written
    /// over at once.
    pub(super) fn on_failed(&mut self, id: &RoomId, conflict: bool, now: Instant) {
        let Some(cover) = self.rooms.get_mut(id) else {
            return;
        };
        cover.next = None;
        cover.since.get_or_insert(now);
        cover.not_before = (!conflict).then_some(now + RETRY);
    }

    /// The read after a write that failed has ended; `read`: with a value.
    pub(super) fn on_read_back(&mut self, id: &RoomId, read: bool, now: Instant) {
        let Some(cover) = self.rooms.get_mut(id) else {
            return;
        };
        self.in_flight -= usize::from(std::mem::take(&mut cover.in_flight));
        match read {
            true => cover.since = now.checked_sub(self.limits.delay),
            false => cover.not_before = Some(now + RETRY),
        }
        self.reschedule(id, now);
    }

    /// The next room that was deleted before entry `seq` and whose key is still there.
    pub(super) fn pop_deleted(&mut self, seq: u64) -> Option<RoomId> {
        let (deleted, _) = self.deleted.first()?;
        if *deleted >= seq {
            return None;
        }
        self.deleted.pop_first().map(|(_, id)| id)
    }

    /// A deleted room's key is still there, as a takeover found it.
    pub(super) fn add_deleted(&mut self, id: &RoomId, deleted: u64) {
        self.deleted.insert((deleted, id.clone()));
    }

    /// A deleted room was made again: its key stays.
    pub(super) fn remove_deleted(&mut self, id: &RoomId, deleted: u64) {
        self.deleted.remove(&(deleted, id.clone()));
    }

    /// A room's key is being deleted.
    pub(super) fn begin_deletion(&mut self, id: &RoomId) {
        let cover = self.rooms.entry(id.clone()).or_default();
        self.in_flight += usize::from(!std::mem::replace(&mut cover.in_flight, true));
        self.deadlines.set(id, None);
    }

    /// The deletion of a room's key has ended.
    pub(super) fn on_deletion(&mut self, id: &RoomId, now: Instant) {
        if let Some(cover) = self.rooms.get_mut(id) {
            self.in_flight -= usize::from(std::mem::take(&mut cover.in_flight));
            self.reschedule(id, now);
        }
    }

    /// The log was cut before entry `cut`, which is the next that comes.
    pub(super) fn cut(&mut self, cut: u64) {
        let mut moved = Vec::new();
        for (id, cover) in &mut self.rooms {
            if let Some(first) = cover.first.filter(|first| *first > cut) {
                cover.first = Some(cut);
                moved.push((first, id.clone()));
            }
            cover.next = cover.next.map(|next| next.min(cut));
        }
        for (first, id) in moved {
            self.uncovered.remove(&(first, id.clone()));
            self.uncovered.insert((cut, id));
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Sets a room's deadline. Returns whether it is due; forgets the room if it is clean.
    fn reschedule(&mut self, id: &RoomId, now: Instant) -> bool {
        let Some(cover) = self.rooms.get(id) else {
            return false;
        };
        if cover.first.is_none() && !cover.in_flight {
            self.rooms.remove(id);
            self.deadlines.set(id, None);
            return false;
        }
        let due = cover.due(self.limits, self.writes_all_now);
        self.deadlines.set(id, due);
        due.is_some_and(|at| at <= now)
    }
}
