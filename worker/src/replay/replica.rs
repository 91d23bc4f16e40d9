//! One replica of a room: what an owner makes of the room's entries, without anything around it.

use grandstand_common::id::{Epoch, RoomId};
use grandstand_common::wire::Body;

use crate::room::{Emit, Logged, Opened, Room};
use crate::stored::snapshot::{self, DecodeError, EncodeError, SnapshotHead};
use grandstand_game::Games;
use grandstand_game::Refusal;
use grandstand_game::host::Panicked;

/// A replica.
#[derive(Debug)]
pub(super) struct Replica {
    games: Games,
    id: RoomId,
    room: Option<Room>,
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// There is no room, and the entry made none.
    NoRoom,
    /// It asked for a room, and there is none: the game's refusal, if it is not among what was emitted.
    Refused(Option<Refusal>),
    /// It made the room.
    Opened,
    /// The room handled it.
    Handled,
    /// It deleted the room.
    Deleted,
}

/// Why a room is not what it was after it was stored and loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReloadError {
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("what is stored {0}")]
    Decode(#[from] DecodeError),
}

impl Replica {
    /// Before its first entry.
    pub(super) fn new(games: &Games, id: &RoomId) -> Self {
        Self {
            games: games.clone(),
            id: id.clone(),
            room: None,
        }
    }

    /// Going on with a room.
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

    /// There is no room.
    pub(super) fn clear(&mut self) {
        self.room = None;
    }

    /// Takes the next entry; after a panic there is no room.
    pub(super) fn step(
        &mut self,
        logged: &Logged,
        emits: &mut Vec<Emit>,
    ) -> Result<Step, Panicked> {
        emits.clear();
        let Some(mut room) = self.room.take() else {
            return self.open(logged, emits);
        };
        room.handle(logged, emits)?;
        if emits.last() == Some(&Emit::Deleted) {
            return Ok(Step::Deleted);
        }
        self.room = Some(room);
        Ok(Step::Handled)
    }

    fn open(&mut self, logged: &Logged, emits: &mut Vec<Emit>) -> Result<Step, Panicked> {
        let Some(Body::Joined(joined)) = &logged.entry.body else {
            return Ok(Step::NoRoom);
        };
        Ok(
            match Room::open(&self.games, &self.id, (logged, joined), emits)? {
                Opened::Room(room) => {
                    self.room = Some(*room);
                    Step::Opened
                }
                Opened::Empty => Step::Refused(None),
                Opened::Refused(refusal) => Step::Refused(Some(refusal)),
            },
        )
    }

    /// As if the worker had died: the room is stored, and loaded by another.
    pub(super) fn reload(&mut self) -> Result<(), ReloadError> {
        if let Some(room) = self.room.take() {
            let last = room.last();
            let place = SnapshotHead {
                epoch: Epoch(0),
                generation: 0,
                last,
            };
            let stored = snapshot::encode(&room, place)?;
            self.room = snapshot::decode(&self.games, &self.id, &stored, last)?;
        }
        Ok(())
    }
}
