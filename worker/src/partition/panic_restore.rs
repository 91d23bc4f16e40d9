//! What a loaded room can be rebuilt from after a panic.

use bytes::Bytes;
use grandstand_common::id::RoomId;
use grandstand_common::wire::Body;

use crate::room::{Logged, Room};
use crate::stored::snapshot;
use grandstand_game::Games;
use grandstand_game::host::Panicked;

/// Entries kept behind the last snapshot. Beyond it (writes are stuck) a panic means quarantine at once.
const KEPT_ENTRIES: usize = 1_024;

/// A snapshot, or the `Joined` that created the room, and the entries since.
#[derive(Debug, Default)]
pub(super) struct RestorePoint {
    base: Option<(Bytes, u64)>,
    tail: Vec<Logged>,
    lost: bool,
}

impl RestorePoint {
    /// A snapshot that covers the log up to entry `last`.
    pub(super) fn of_snapshot(value: Bytes, last: u64) -> Self {
        Self {
            base: Some((value, last)),
            ..Self::default()
        }
    }

    /// Keeps an entry that was applied.
    pub(super) fn push(&mut self, logged: Logged) {
        if self.tail.len() >= KEPT_ENTRIES {
            self.lost = true;
            self.tail.clear();
        }
        if !self.lost {
            self.tail.push(logged);
        }
    }

    /// Builds the room as it was after the last entry that was pushed.
    pub(super) fn build(&self, games: &Games, id: &RoomId) -> Result<Room, Panicked> {
        if self.lost {
            return Err(Panicked);
        }
        let mut room = match (&self.base, self.tail.first()) {
            (Some((value, last)), _) => snapshot::decode(games, id, value, *last)
                .ok()
                .flatten()
                .ok_or(Panicked)?,
            (None, Some(first)) => {
                let maker = games.get(id.game()).ok_or(Panicked)?;
                let Some(Body::Joined(joined)) = &first.entry.body else {
                    return Err(Panicked);
                };
                Room::create(maker, id, first, joined)?.map_err(|_| Panicked)?
            }
            (None, None) => return Err(Panicked),
        };
        let mut unsent = Vec::new();
        for logged in &self.tail {
            room.handle(logged, &mut unsent)?;
            unsent.clear();
        }
        Ok(room)
    }
}
