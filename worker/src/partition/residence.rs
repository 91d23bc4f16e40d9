//! The residence of a room (in memory, stored, deleted or in quarantine) and the data that is kept of it there.

use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::id::{Instance, RoomId};
use grandstand_game::Games;
use grandstand_game::host::Panicked;

use super::panic_restore::RestorePoint;
use crate::context::Context;
use crate::room::{Emit, Logged, Room};
use crate::stored::error::EncodeError;
use crate::stored::head::SnapshotHead;
use crate::stored::outlet::PendingItem;
use crate::stored::quarantine::QuarantineReason;
use crate::stored::snapshot::{self, SnapshotLimits};
use crate::tallies::EndedGame;

/// The residence of a room.
#[derive(Debug)]
pub(super) enum Residence {
    /// The room is in memory.
    Loaded(Box<Loaded>),
    /// The room is in its stored snapshot only.
    Stored(Stored),
    /// The entry with this sequence deleted the room.
    Deleted(u64),
    /// The room is in quarantine.
    Quarantined(QuarantineReason),
    /// The room is in its stored snapshot, which this version of its game stored, and this build has an earlier one. It
    /// stays untouched.
    TooNew(u32),
}

impl Residence {
    /// Returns what is kept of a stored room.
    pub(super) fn stored(&self) -> Option<Stored> {
        match self {
            Self::Stored(stored) => Some(*stored),
            _ => None,
        }
    }
}

/// A room in memory.
#[derive(Debug)]
pub(super) struct Loaded {
    room: Room,
    restore: RestorePoint,
    /// The time since when nothing keeps the room in memory.
    idle_since: Option<Instant>,
    /// The time of the entry that created the room, in Unix milliseconds; `None` if it was loaded from a snapshot.
    created_ms: Option<u64>,
}

/// The part of a stored room that stays in memory. There may be a million of them, so it is small.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    pub(super) instance: Instance,
    /// The due time of the next timer, in Unix milliseconds; `u64::MAX` without timers.
    due_ms: u64,
}

impl Stored {
    pub(super) fn new(instance: Instance, due_ms: Option<u64>) -> Self {
        let due_ms = due_ms.unwrap_or(u64::MAX);
        Self { instance, due_ms }
    }

    /// Returns when the next timer is due, in Unix milliseconds.
    pub(super) fn due_ms(self) -> Option<u64> {
        (self.due_ms < u64::MAX).then_some(self.due_ms)
    }
}

impl Loaded {
    pub(super) fn new(room: Room, restore: RestorePoint, created_ms: Option<u64>) -> Box<Self> {
        Box::new(Self {
            room,
            restore,
            idle_since: None,
            created_ms,
        })
    }

    /// Whether the game has ended the room.
    pub(super) fn is_finished(&self) -> bool {
        self.room.instance_state().finished
    }

    /// The game, which has just ended.
    pub(super) fn ended(&self) -> EndedGame {
        let ended_ms = self.room.instance_state().last_event_ms;
        let players = self.room.state().players.values();
        EndedGame {
            seconds: self
                .created_ms
                .map(|created| ended_ms.saturating_sub(created) / 1_000),
            inputs: players.map(|player| player.last_seq).sum(),
        }
    }

    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    pub(super) fn room_mut(&mut self) -> &mut Room {
        &mut self.room
    }

    /// Applies an entry. A panic may leave the state half changed, so the room is then rebuilt and the entry applied
    /// once more; the error is a second panic. Counts the first one in `panics`.
    pub(super) fn handle(
        &mut self,
        games: &Games,
        id: &RoomId,
        logged: &Logged,
        panics: &mut u64,
    ) -> Result<Vec<Emit>, Panicked> {
        let mut emits = Vec::new();
        if self.room.handle(logged, &mut emits).is_err() {
            tracing::error!(room = %id, seq = logged.seq, "the game panicked");
            *panics += 1;
            emits.clear();
            let mut room = self.restore.build(games, id)?;
            room.handle(logged, &mut emits)?;
            self.room = room;
        }
        Ok(emits)
    }

    /// Returns the bytes of the room's last snapshot; 0 if it has none.
    pub(super) fn snapshot_bytes(&self) -> u64 {
        self.restore.snapshot_bytes()
    }

    /// Keeps an applied entry for a rebuild, and ends the room's idle time. Returns whether it was idle.
    pub(super) fn on_applied(&mut self, logged: Logged) -> bool {
        self.restore.push(logged);
        self.idle_since.take().is_some()
    }

    /// Rebuilds the room as it was after the last applied entry.
    pub(super) fn rebuild(&mut self, cx: &Context, id: &RoomId) -> Result<(), Panicked> {
        self.room = self.restore.build(&cx.games, id)?;
        Ok(())
    }

    /// Returns the room as it was after its last whole entry.
    pub(super) fn whole(&self, cx: &Context, id: &RoomId) -> Option<Room> {
        self.restore.build(&cx.games, id).ok()
    }

    /// Encodes the room's snapshot. The room is rebuilt from it from now on.
    pub(super) fn encode(
        &mut self,
        outlet: &[&PendingItem],
        head: SnapshotHead,
        limits: SnapshotLimits,
    ) -> Result<Bytes, EncodeError> {
        let value = snapshot::encode(&self.room, outlet, head, limits)?;
        self.restore = RestorePoint::from_snapshot(value.clone(), head.last);
        Ok(value)
    }

    /// Begins, continues or (`None`) ends the room's idle time. Returns when it has been idle for `after`.
    pub(super) fn set_idle(&mut self, after: Option<Duration>, now: Instant) -> Option<Instant> {
        let since = after.map(|_| self.idle_since.unwrap_or(now));
        self.idle_since = since;
        Some(since? + after?)
    }
}
