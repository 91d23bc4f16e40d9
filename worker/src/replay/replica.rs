//! One replica of a room: applies the room's entries as an owner does, without bus and timers.

use grandstand_common::id::{Epoch, RoomId};
use grandstand_game::Games;
use grandstand_game::Reject;
use grandstand_game::host::Panicked;

use crate::room::{Creation, Emit, Logged, Opened, Room};
use crate::stored::head::SnapshotHead;
use crate::stored::snapshot::{self, DecodeError, EncodeError, SnapshotLimits};

/// A room, or the lack of one, between two entries.
#[derive(Debug)]
pub(super) struct Replica {
    games: Games,
    id: RoomId,
    room: Option<Room>,
}

/// The result of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// There is no room, and the entry created none.
    NoRoom,
    /// The entry asked for a room and none was created. Contains the game's reject unless that was emitted.
    Refused(Option<Reject>),
    /// The entry created the room.
    Opened,
    /// The room handled it.
    Handled,
    /// The entry deleted the room.
    Deleted,
}

/// The reason why a room cannot be stored and loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReloadError {
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("the stored state {0}")]
    Decode(#[from] DecodeError),
}

impl Replica {
    /// A replica before the room's first entry.
    pub(super) fn new(games: &Games, id: &RoomId) -> Self {
        Self {
            games: games.clone(),
            id: id.clone(),
            room: None,
        }
    }

    /// Continues with `room`.
    pub(super) fn with(mut self, room: Room) -> Self {
        self.room = Some(room);
        self
    }

    pub(super) fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }

    #[cfg(test)]
    pub(super) fn into_room(self) -> Option<Room> {
        self.room
    }

    /// Drops the room.
    pub(super) fn clear(&mut self) {
        self.room = None;
    }

    /// Applies the next entry. After a panic there is no room.
    pub(super) fn step(
        &mut self,
        logged: &Logged,
        emits: &mut Vec<Emit>,
    ) -> Result<Step, Panicked> {
        emits.clear();
        let Some(mut room) = self.room.take() else {
            return self.open(logged, emits);
        };
        room.watch()?;
        room.handle(logged, emits)?;
        if emits.last() == Some(&Emit::Deleted) {
            return Ok(Step::Deleted);
        }
        self.room = Some(room);
        Ok(Step::Handled)
    }

    fn open(&mut self, logged: &Logged, emits: &mut Vec<Emit>) -> Result<Step, Panicked> {
        let Some(creation) = Creation::of(logged) else {
            return Ok(Step::NoRoom);
        };
        Ok(
            match Room::open(&self.games, &self.id, logged, creation, emits)? {
                Opened::Room(room) => {
                    self.room = Some(*room);
                    Step::Opened
                }
                Opened::Empty => Step::Refused(None),
                Opened::Refused(reject) => Step::Refused(Some(reject)),
            },
        )
    }

    /// Stores and loads the room, as after the death of a worker.
    pub(super) fn reload(&mut self) -> Result<(), ReloadError> {
        if let Some(room) = self.room.take() {
            let last = room.last();
            let place = SnapshotHead {
                epoch: Epoch(0),
                generation: 0,
                last,
            };
            let stored = snapshot::encode(&room, &[], place, SnapshotLimits::NONE)?;
            self.room = snapshot::decode(&self.games, &self.id, &stored, last)?;
        }
        Ok(())
    }
}
