//! A room, as far as its partition knows it.

use std::collections::BTreeMap;

use grandstand_common::id::{Instance, RoomId};
use grandstand_game::host::Armed;

use super::residence::{Loaded, Residence};
use crate::context::Context;
use crate::room::Room;
use crate::stored::quarantine::QuarantineReason;

/// Panics outside of entries after which a room goes to quarantine.
const MAX_PANICS_OUTSIDE_ENTRIES: u32 = 3;

/// A room, as far as its partition knows it.
#[derive(Debug)]
pub(super) struct KnownRoom {
    residence: Residence,
    /// The last entry that the loaded or stored snapshot covers.
    covered: u64,
    /// The revision of the stored snapshot or of the delete marker; 0 if there is neither.
    revision: u64,
    /// Panics outside of entries; the count outlives the room's time in memory.
    panics_outside_entries: u32,
}

impl KnownRoom {
    /// A room of which nothing is stored but, with this revision, a delete marker.
    pub(super) fn new(residence: Residence, revision: u64) -> Self {
        Self {
            residence,
            covered: 0,
            revision,
            panics_outside_entries: 0,
        }
    }

    /// Moves the room to another residence. Returns the former one.
    pub(super) fn set_residence(&mut self, residence: Residence) -> Residence {
        std::mem::replace(&mut self.residence, residence)
    }

    pub(super) fn residence(&self) -> &Residence {
        &self.residence
    }

    pub(super) fn loaded(&self) -> Option<&Loaded> {
        match &self.residence {
            Residence::Loaded(loaded) => Some(loaded),
            _ => None,
        }
    }

    pub(super) fn loaded_mut(&mut self) -> Option<&mut Loaded> {
        match &mut self.residence {
            Residence::Loaded(loaded) => Some(loaded),
            _ => None,
        }
    }

    pub(super) fn room(&self) -> Option<&Room> {
        self.loaded().map(Loaded::room)
    }

    /// Whether the room exists, in memory or stored.
    pub(super) fn exists(&self) -> bool {
        matches!(self.residence, Residence::Loaded(_) | Residence::Stored(_))
    }

    pub(super) fn is_loaded(&self) -> bool {
        matches!(self.residence, Residence::Loaded(_))
    }

    pub(super) fn is_stored(&self) -> bool {
        matches!(self.residence, Residence::Stored(_))
    }

    /// Whether this build is too old for the room.
    pub(super) fn is_too_new(&self) -> bool {
        matches!(self.residence, Residence::TooNew(_))
    }

    /// Returns the code that clients of a room get that does not run.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        match self.residence {
            Residence::Quarantined(reason) => Some(reason.code()),
            Residence::TooNew(_) => Some(QuarantineReason::Unavailable.code()),
            Residence::Loaded(_) | Residence::Stored(_) | Residence::Deleted(_) => None,
        }
    }

    /// Returns the room's instance, or 0 if it does not exist.
    pub(super) fn instance(&self) -> Instance {
        match &self.residence {
            Residence::Loaded(loaded) => loaded.room().instance(),
            Residence::Stored(stored) => stored.instance,
            Residence::Deleted(_) | Residence::Quarantined(_) | Residence::TooNew(_) => Instance(0),
        }
    }

    /// Returns the timers of a room in memory.
    pub(super) fn timers(&self) -> Option<&BTreeMap<String, Armed>> {
        Some(&self.room()?.instance_state().timers)
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn set_revision(&mut self, revision: u64) {
        self.revision = revision;
    }

    /// Whether the snapshot that was loaded or left in the bucket covers an entry.
    pub(super) fn covers(&self, seq: u64) -> bool {
        seq <= self.covered
    }

    /// Returns the last entry that the snapshot covers.
    pub(super) fn covered(&self) -> u64 {
        self.covered
    }

    pub(super) fn set_covered(&mut self, last: u64) {
        self.covered = last;
    }

    /// Rebuilds a room in memory after a panic outside of an entry. Returns whether it can continue.
    pub(super) fn rebuild(&mut self, cx: &Context, id: &RoomId) -> bool {
        let Residence::Loaded(loaded) = &mut self.residence else {
            return true;
        };
        self.panics_outside_entries += 1;
        self.panics_outside_entries < MAX_PANICS_OUTSIDE_ENTRIES && loaded.rebuild(cx, id).is_ok()
    }

    /// Notes that the log lost the entries after `last` (D11): entries with their sequences are new.
    pub(super) fn cut(&mut self, last: u64) {
        self.covered = self.covered.min(last);
        if let Some(loaded) = self.loaded_mut() {
            loaded.room_mut().cut(last);
        }
    }
}
