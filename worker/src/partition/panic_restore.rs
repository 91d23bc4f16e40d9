//! The snapshot and entries from which a loaded room is rebuilt after a panic.

use bytes::Bytes;
use grandstand_common::id::RoomId;
use grandstand_common::wire::Body;
use grandstand_game::Games;
use grandstand_game::host::Panicked;

use crate::room::{Creation, Logged, Room};
use crate::stored::snapshot;

/// The most entries kept since the last snapshot. If more follow, because snapshots cannot be stored, the room cannot
/// be rebuilt, and its next panic puts it in quarantine.
const KEPT_ENTRIES: usize = 1_024;

/// A room's last snapshot, if there is one, and the entries since. Without a snapshot the first entry is the `Joined`
/// that created the room.
#[derive(Debug, Default)]
pub(super) struct RestorePoint {
    /// The snapshot and the last entry that it covers.
    snapshot: Option<(Bytes, u64)>,
    entries: Vec<Logged>,
    /// Whether entries were dropped because there were more than [`KEPT_ENTRIES`].
    is_incomplete: bool,
}

impl RestorePoint {
    /// Begins with a snapshot that covers the log up to entry `last`.
    pub(super) fn from_snapshot(value: Bytes, last: u64) -> Self {
        Self {
            snapshot: Some((value, last)),
            ..Self::default()
        }
    }

    /// Returns the bytes of the snapshot; 0 if there is none.
    pub(super) fn snapshot_bytes(&self) -> u64 {
        self.snapshot
            .as_ref()
            .map_or(0, |(value, _)| value.len() as u64)
    }

    /// Adds an applied entry.
    pub(super) fn push(&mut self, logged: Logged) {
        if self.entries.len() >= KEPT_ENTRIES {
            self.is_incomplete = true;
            self.entries.clear();
        }
        if self.is_incomplete {
            return;
        }
        if let Some(Body::Commit(_)) = &logged.entry.body {
            self.forget_worlds();
        }
        self.entries.push(logged);
    }

    /// Forgets the worlds of the commits, because a room keeps only that of the last.
    fn forget_worlds(&mut self) {
        for logged in self.entries.iter_mut().rev() {
            if let Some(Body::Commit(commit)) = &mut logged.entry.body {
                if commit.world.is_empty() {
                    return;
                }
                commit.world = Bytes::new();
            }
        }
    }

    /// Builds the room as it was after the last entry added. Fails if the game panics again or entries were dropped.
    pub(super) fn build(&self, games: &Games, id: &RoomId) -> Result<Room, Panicked> {
        if self.is_incomplete {
            return Err(Panicked);
        }
        let mut room = match (&self.snapshot, self.entries.first()) {
            (Some((value, last)), _) => snapshot::decode(games, id, value, *last)
                .ok()
                .flatten()
                .ok_or(Panicked)?,
            (None, Some(first)) => {
                let maker = games.get(id.game()).ok_or(Panicked)?;
                let creation = Creation::of(first).ok_or(Panicked)?;
                Room::create(maker, id, first, creation)?.map_err(|_| Panicked)?
            }
            (None, None) => return Err(Panicked),
        };
        let mut unsent = Vec::new();
        for logged in &self.entries {
            room.handle(logged, &mut unsent)?;
            unsent.clear();
        }
        Ok(room)
    }
}
