//! Opening a room with its first entry (D5).

use grandstand_common::error::ErrorKind;
use grandstand_common::id::RoomId;
use grandstand_game::Games;
use grandstand_game::Reject;
use grandstand_game::host::Panicked;

use super::creation::Creation;
use super::emit::Emit;
use super::logged::Logged;
use super::machine::Room;

/// The result of an entry that creates a room, if it does not exist.
pub(crate) enum Opened {
    /// The room was created.
    Room(Box<Room>),
    /// The game rejected the first player, so no room was created. The reject is among the emits.
    Empty,
    /// The game does not exist, or it rejected the parameters.
    Refused(Reject),
}

impl Room {
    /// Creates the room and handles the entry. Clears `emits` first.
    pub(crate) fn open(
        games: &Games,
        id: &RoomId,
        logged: &Logged,
        creation: Creation<'_>,
        emits: &mut Vec<Emit>,
    ) -> Result<Opened, Panicked> {
        emits.clear();
        let Some(kind) = games.get(id.game()) else {
            return Ok(Opened::Refused(Reject::new(
                ErrorKind::NoSuchGame.code(),
                format!("there is no game named {:?}", id.game()),
            )));
        };
        let mut room = match Self::create(kind, id, logged, creation)? {
            Ok(room) => room,
            Err(reject) => return Ok(Opened::Refused(reject)),
        };
        room.handle(logged, emits)?;
        Ok(if creation.needs_player && room.state.players.is_empty() {
            Opened::Empty
        } else {
            Opened::Room(Box::new(room))
        })
    }
}
