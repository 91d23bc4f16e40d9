//! The worlds of a partition's rooms in real time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use grandstand_common::id::RoomId;
use grandstand_game::host::RealtimeKind;

use super::room_world::{RoomWorld, WorldStep};
use crate::deadlines::Deadlines;

/// The time between two slots in which rooms tick.
const SLOT: Duration = Duration::from_millis(4);

/// The worlds of the rooms in real time that somebody sees, or of which something is not stored yet.
#[derive(Debug)]
pub(super) struct Worlds {
    /// The time from which ticks are counted.
    origin: Instant,
    rooms: BTreeMap<RoomId, RoomWorld>,
    due: Deadlines<RoomId>,
}

impl Worlds {
    pub(super) fn new(origin: Instant) -> Self {
        Self {
            origin,
            rooms: BTreeMap::new(),
            due: Deadlines::default(),
        }
    }

    /// Sets whether somebody sees the world of a room in memory.
    pub(super) fn set_active(
        &mut self,
        id: &RoomId,
        kind: RealtimeKind,
        is_active: bool,
        now: Instant,
    ) {
        match self.rooms.get_mut(id) {
            Some(room) => room.set_active(is_active, now),
            None if is_active => {
                let begins = self.origin + phase(id, kind);
                let room = RoomWorld::new(kind, begins, now);
                self.rooms.insert(id.clone(), room);
            }
            None => return,
        }
        self.due.set(id, Some(now));
    }

    /// Drops the world of a room.
    pub(super) fn forget(&mut self, id: &RoomId) {
        if self.rooms.remove(id).is_some() {
            self.due.set(id, None);
        }
    }

    /// Returns the world of a room.
    pub(super) fn get(&self, id: &RoomId) -> Option<&RoomWorld> {
        self.rooms.get(id)
    }

    /// Changes the world of a room, which then needs a look.
    pub(super) fn change<T>(
        &mut self,
        id: &RoomId,
        now: Instant,
        change: impl FnOnce(&mut RoomWorld) -> T,
    ) -> Option<T> {
        let changed = change(self.rooms.get_mut(id)?);
        self.due.set(id, Some(now));
        Some(changed)
    }

    /// Returns the world of a room, to give it a control or to move it.
    pub(super) fn get_mut(&mut self, id: &RoomId) -> Option<&mut RoomWorld> {
        self.rooms.get_mut(id)
    }

    /// Returns the rooms whose worlds need a look. Call [`next`](Self::next) for each until it returns `None`.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<RoomId> {
        self.due.take_due(now)
    }

    /// Returns the next step of a world, or schedules when there may be one.
    pub(super) fn next(&mut self, id: &RoomId, now: Instant) -> Option<WorldStep> {
        match self.rooms.get_mut(id)?.next(now) {
            Ok(step) => Some(step),
            Err(due) => {
                self.due.set(id, due);
                None
            }
        }
    }

    /// Stops all worlds, because the partition is handed over. What is not stored is due at once.
    pub(super) fn end(&mut self, now: Instant) {
        for (id, room) in &mut self.rooms {
            room.set_active(false, now);
            room.commit_now(now);
            self.due.set(id, Some(now));
        }
    }

    /// Whether everything of all worlds is stored, or on its way through the log.
    pub(super) fn are_settled(&self) -> bool {
        self.rooms.values().all(RoomWorld::is_settled)
    }

    /// Whether nothing of a room's world would be lost if the room left memory.
    pub(super) fn may_unload(&self, id: &RoomId) -> bool {
        self.rooms.get(id).is_none_or(RoomWorld::may_unload)
    }

    /// The next time at which a world needs a look.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.next()
    }
}

/// The time by which a room ticks after others of the same rate. Rooms tick together in slots, so that one batch to an
/// edge has the frames of many, and a turn moves few.
fn phase(id: &RoomId, kind: RealtimeKind) -> Duration {
    let slots = u32::try_from(kind.step().as_millis() / SLOT.as_millis()).unwrap_or(1);
    let sum = id.as_str().bytes().map(u32::from).sum::<u32>();
    SLOT * (sum % slots.max(1))
}
