//! Where a room is, and what is kept of it there.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use grandstand_common::id::{EdgeId, Instance, RoomId};
use grandstand_common::wire::RoomInterest;

use super::panic_restore::RestorePoint;
use crate::context::Context;
use crate::room::{Armed, Logged, Room};
use crate::stored::quarantine::QuarantineReason;

/// A room, as far as its partition knows it.
#[derive(Debug)]
pub(super) struct KnownRoom {
    pub(super) residence: Residence,
    /// Entries up to this one are covered by the snapshot that was loaded.
    pub(super) covered: u64,
    /// The revision of the stored snapshot or marker; 0 if there is none.
    pub(super) revision: u64,
    /// Panics outside of entries, also of before the room left memory.
    pub(super) panics_outside_entries: u32,
}

/// Where a room is.
#[derive(Debug)]
pub(super) enum Residence {
    /// In memory.
    Loaded(Box<Loaded>),
    /// All of it is in its stored snapshot.
    Stored(Box<Stored>),
    /// Its stored snapshot is being read; this waits for it, in order.
    Loading(Box<Stored>, VecDeque<Waiting>),
    /// Entry `.0` deleted it.
    Deleted(u64),
    /// Out of service.
    Quarantined(QuarantineReason),
}

/// A room in memory.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) room: Room,
    pub(super) restore: RestorePoint,
    /// Since when it could leave memory.
    pub(super) idle_since: Option<Instant>,
    /// Between two ticks, if its game has any.
    pub(super) tick: Option<Duration>,
}

/// What is kept in memory of a stored room.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) instance: Instance,
    pub(super) timers: BTreeMap<String, Armed>,
}

/// What waits for a room that is being read.
#[derive(Debug)]
pub(super) enum Waiting {
    Entry(Logged),
    Interest(EdgeId, RoomInterest),
}

impl KnownRoom {
    /// A stored room is read from now on. Returns whether it is to be, because it was not before.
    pub(super) fn begin_loading(&mut self) -> bool {
        let before = std::mem::replace(&mut self.residence, Residence::Deleted(0));
        let is_stored = matches!(before, Residence::Stored(_));
        self.residence = match before {
            Residence::Stored(stored) => Residence::Loading(stored, VecDeque::new()),
            other => other,
        };
        is_stored
    }

    pub(super) fn room(&self) -> Option<&Room> {
        match &self.residence {
            Residence::Loaded(loaded) => Some(&loaded.room),
            _ => None,
        }
    }
}

impl Loaded {
    pub(super) fn new(cx: &Context, id: &RoomId, room: Room, restore: RestorePoint) -> Box<Self> {
        Box::new(Self {
            tick: cx.games.get(id.game()).and_then(|maker| maker.tick),
            room,
            restore,
            idle_since: None,
        })
    }
}
