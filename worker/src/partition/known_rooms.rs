//! The rooms that a partition knows, each with its residence and its stored revision.

use std::collections::BTreeMap;

use bytes::Bytes;
use grandstand_common::id::{Instance, RoomId};

use super::residence::{Loaded, Residence};
use crate::context::Context;
use crate::room::Room;
use grandstand_game::host::Armed;

/// Panics outside of entries after which a room goes to quarantine.
const MAX_PANICS_OUTSIDE_ENTRIES: u32 = 3;
/// The most delete markers that removed rooms leave. A room that is created again without one learns its revision from
/// the conflict at its first write.
const KEPT_MARKERS: usize = 4_096;

/// The rooms that a partition knows. They are counted where their residences change, which is only here.
#[derive(Debug, Default)]
pub(super) struct KnownRooms {
    rooms: BTreeMap<RoomId, KnownRoom>,
    /// The revisions of the delete markers of rooms that are not known.
    markers: BTreeMap<RoomId, u64>,
    loaded: usize,
    stored: usize,
}

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
    /// The last whole state of a quarantined room, until it is stored.
    whole: Option<Bytes>,
}

impl KnownRooms {
    /// Returns the number of rooms in memory.
    pub(super) fn loaded(&self) -> usize {
        self.loaded
    }

    /// Returns the number of rooms that are stored and not in memory.
    pub(super) fn stored(&self) -> usize {
        self.stored
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &RoomId> {
        self.rooms.keys()
    }

    pub(super) fn get(&self, id: &RoomId) -> Option<&KnownRoom> {
        self.rooms.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &RoomId) -> Option<&mut KnownRoom> {
        self.rooms.get_mut(id)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut KnownRoom> {
        self.rooms.values_mut()
    }

    /// Adds a room that a takeover found.
    pub(super) fn insert(
        &mut self,
        id: &RoomId,
        residence: Residence,
        covered: u64,
        revision: u64,
    ) {
        self.set_residence(id, residence);
        if let Some(room) = self.rooms.get_mut(id) {
            (room.covered, room.revision) = (covered, revision);
        }
    }

    /// Moves a room to another residence. A room that is not known is added, with the revision of its delete marker.
    pub(super) fn set_residence(&mut self, id: &RoomId, residence: Residence) {
        self.count(&residence);
        if let Some(room) = self.rooms.get_mut(id) {
            let before = std::mem::replace(&mut room.residence, residence);
            self.uncount(&before);
        } else {
            let room = KnownRoom {
                residence,
                covered: 0,
                revision: self.markers.remove(id).unwrap_or(0),
                panics_outside_entries: 0,
                whole: None,
            };
            self.rooms.insert(id.clone(), room);
        }
    }

    /// Removes a room whose key was deleted, and remembers the revision of its delete marker.
    pub(super) fn remove(&mut self, id: &RoomId, marker: u64) {
        if let Some(before) = self.rooms.remove(id) {
            self.uncount(&before.residence);
        }
        if self.markers.len() < KEPT_MARKERS {
            self.add_marker(id, marker);
        }
    }

    /// Remembers the revision of the delete marker of a room that is not known.
    pub(super) fn add_marker(&mut self, id: &RoomId, revision: u64) {
        self.markers.insert(id.clone(), revision);
    }

    fn count(&mut self, residence: &Residence) {
        match residence {
            Residence::Loaded(_) => self.loaded += 1,
            Residence::Stored(_) => self.stored += 1,
            Residence::Deleted(_) | Residence::Quarantined(_) => {}
        }
    }

    fn uncount(&mut self, residence: &Residence) {
        match residence {
            Residence::Loaded(_) => self.loaded -= 1,
            Residence::Stored(_) => self.stored -= 1,
            Residence::Deleted(_) | Residence::Quarantined(_) => {}
        }
    }
}

impl KnownRoom {
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

    pub(super) fn is_stored(&self) -> bool {
        matches!(self.residence, Residence::Stored(_))
    }

    /// Returns the room's instance, or 0 if it does not exist.
    pub(super) fn instance(&self) -> Instance {
        match &self.residence {
            Residence::Loaded(loaded) => loaded.room().instance(),
            Residence::Stored(stored) => stored.instance,
            Residence::Deleted(_) | Residence::Quarantined(_) => Instance(0),
        }
    }

    /// Returns the timers of a room that exists.
    pub(super) fn timers(&self) -> Option<&BTreeMap<String, Armed>> {
        match &self.residence {
            Residence::Loaded(loaded) => Some(&loaded.room().progress().timers),
            Residence::Stored(stored) => Some(&stored.timers),
            Residence::Deleted(_) | Residence::Quarantined(_) => None,
        }
    }

    /// Returns the last whole state of a quarantined room, if it is to be stored.
    pub(super) fn whole(&self) -> Option<Bytes> {
        self.whole.clone()
    }

    pub(super) fn set_whole(&mut self, whole: Option<Bytes>) {
        self.whole = whole;
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

    pub(super) fn set_covered(&mut self, last: u64) {
        self.covered = last;
    }

    /// Rebuilds a room in memory after a panic outside of an entry. Returns whether it can go on.
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

#[cfg(test)]
mod tests;
