//! What an owner holds of one room beside the room itself.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use grandstand_common::id::{EdgeId, RoomId};

use super::loading::Asleep;
use crate::command::Token;
use crate::room::{Logged, Room};
use crate::stored::quarantine::Why;
use crate::stored::snapshot;
use grandstand_common::wire::Body;
use grandstand_game::Games;
use grandstand_game::host::Panicked;

/// Entries kept behind the last snapshot, to build a room anew after a panic. Beyond it (writes are stuck) a panic means
/// quarantine at once.
const KEPT_ENTRIES: usize = 1_024;

/// A room's place in its partition.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// `None` if it is deleted or in quarantine.
    pub(crate) room: Option<Room>,
    pub(crate) quarantine: Option<Quarantine>,
    /// Entries up to this one are covered by what was loaded.
    pub(crate) covered: u64,
    /// The revision of the stored snapshot or marker; 0 if there is none.
    pub(crate) revision: u64,
    pub(crate) cover: Cover,
    pub(crate) origin: Origin,
    /// When a timer of this arming was last appended.
    pub(crate) asked: BTreeMap<u64, Instant>,
    pub(crate) next_tick: Option<Instant>,
    /// Panics outside of entries.
    pub(crate) strikes: u32,
    pub(crate) counted: Counted,
    /// It is at rest: its snapshot has all of it.
    pub(super) asleep: Option<Box<Asleep>>,
    /// Since when it could be.
    pub(super) quiet_since: Option<Instant>,
}

/// What the partition has counted of a room.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) loaded: bool,
    pub(crate) idle: bool,
    /// The edges that hold connected players' sessions.
    pub(crate) edges: Vec<EdgeId>,
}

/// A room in quarantine.
#[derive(Debug)]
pub(crate) struct Quarantine {
    pub(crate) why: Why,
    pub(crate) seq: u64,
    /// The record's revision; 0 if there is none yet.
    pub(crate) revision: u64,
    /// The record is stored as it is here.
    pub(crate) stored: bool,
}

/// Which entries no stored snapshot covers (D8).
#[derive(Debug, Default)]
pub(crate) struct Cover {
    /// The first uncovered entry; holds the checkpoint back.
    pub(crate) first: Option<u64>,
    /// The first entry behind the write that is in flight.
    pub(crate) next: Option<u64>,
    /// Entries since the last write began.
    pub(crate) count: u32,
    /// When the first of these came.
    pub(crate) since: Option<Instant>,
    /// A write, or the read after one that failed, is in flight.
    pub(crate) busy: Option<Token>,
    /// No write before.
    pub(crate) not_before: Option<Instant>,
    /// The room was deleted by this entry, and nothing but a marker of it is to be left.
    pub(crate) deleted: Option<u64>,
}

impl Cover {
    /// An entry was applied. Returns the entry that now holds the checkpoint back, if it is new.
    pub(crate) fn mark(&mut self, seq: u64, now: Instant) -> Option<u64> {
        self.count = self.count.saturating_add(1);
        self.since.get_or_insert(now);
        if self.first.is_some() {
            if self.busy.is_some() {
                self.next.get_or_insert(seq);
            }
            return None;
        }
        self.first = Some(seq);
        Some(seq)
    }
}

/// What a room can be built from anew: a snapshot, or the `Joined` that created it, and the entries since.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    base: Option<(Bytes, u64)>,
    tail: Vec<Logged>,
    lost: bool,
}

impl Origin {
    pub(crate) fn of_snapshot(value: Bytes, last: u64) -> Self {
        Self {
            base: Some((value, last)),
            ..Self::default()
        }
    }

    pub(crate) fn push(&mut self, logged: Logged) {
        if self.tail.len() >= KEPT_ENTRIES {
            self.lost = true;
            self.tail.clear();
        }
        if !self.lost {
            self.tail.push(logged);
        }
    }

    /// The room as it was after the last entry that was pushed.
    pub(crate) fn build(&self, games: &Games, id: &RoomId) -> Result<Room, Panicked> {
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
