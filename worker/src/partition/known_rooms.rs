//! The rooms that a partition knows, each with its residence and its stored revision.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use grandstand_common::by_name::ByName;
use grandstand_common::id::{Instance, RoomId};

use super::known_room::KnownRoom;
use super::residence::{Residence, Stored};
use super::room_table::{RoomTable, Slot};
use crate::stored::head::StoredHead;

/// The most delete markers that removed rooms leave. A room that is created again without one learns its revision from
/// the conflict at its first write.
const KEPT_MARKERS: usize = 4_096;

/// The rooms that a partition knows. They are counted where their residences change, which is only here.
#[derive(Debug, Default)]
pub(super) struct KnownRooms {
    rooms: RoomTable,
    /// The revisions of the delete markers of rooms that are not known.
    markers: BTreeMap<RoomId, u64>,
    /// The last whole states of quarantined rooms that are not stored yet.
    whole: BTreeMap<RoomId, Bytes>,
    /// The due times of the next timers of stored rooms, in Unix milliseconds, until they are taken.
    due: BTreeSet<(u64, Slot)>,
    /// Whether a takeover has read all stored rooms.
    is_complete: bool,
    /// The room that was just looked for.
    looked_for: Option<RoomId>,
    loaded: usize,
    stored: usize,
    too_new: usize,
    quarantined: usize,
    /// The rooms in memory by game.
    games: ByName<u64>,
}

/// A room whose key a takeover reads.
#[derive(Debug)]
pub(super) struct FoundRoom {
    pub(super) revision: u64,
    /// The last entry that the snapshot covers.
    pub(super) covered: u64,
    /// `None` if the room was deleted.
    pub(super) head: Option<StoredHead>,
    /// Whether this build is too old for the room.
    pub(super) is_too_new: bool,
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

    /// Returns the number of rooms that this build is too old for.
    pub(super) fn too_new(&self) -> usize {
        self.too_new
    }

    /// Returns the number of rooms in quarantine.
    pub(super) fn quarantined(&self) -> usize {
        self.quarantined
    }

    /// Returns the numbers of rooms in memory by game.
    pub(super) fn games(&self) -> impl Iterator<Item = (&str, u64)> {
        self.games.iter().map(|(game, loaded)| (game, *loaded))
    }

    /// Returns the number of slots of rooms, also of those that are gone.
    pub(super) fn slots(&self) -> usize {
        self.rooms.slots()
    }

    pub(super) fn at(&self, slot: usize) -> Option<(&RoomId, &KnownRoom)> {
        self.rooms.at(slot)
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
            room.set_covered(covered);
            room.set_revision(revision);
        }
    }

    /// Moves a room to another residence. A room that is not known is added, with the revision of its delete marker.
    pub(super) fn set_residence(&mut self, id: &RoomId, residence: Residence) {
        let stored = residence.stored();
        self.count(id.game(), &residence);
        let slot = match self.rooms.slot(id) {
            Some(slot) => {
                if let Some(room) = self.rooms.at_mut(slot) {
                    let before = room.set_residence(residence);
                    self.uncount(id.game(), slot, &before);
                }
                slot
            }
            None => {
                let marker = self.markers.remove(id).unwrap_or(0);
                let room = KnownRoom::new(residence, marker);
                self.rooms.insert(id.clone(), room)
            }
        };
        if let Some(at) = stored.and_then(Stored::due_ms) {
            self.due.insert((at, slot));
        }
    }

    /// Removes a room whose key was deleted, and remembers the revision of its delete marker.
    pub(super) fn remove(&mut self, id: &RoomId, marker: u64) {
        if let Some((slot, before)) = self.rooms.remove(id) {
            self.uncount(id.game(), slot, before.residence());
        }
        self.add_marker(id, marker);
    }

    /// Remembers the revision of the delete marker of a room that is not known, unless too many are.
    pub(super) fn add_marker(&mut self, id: &RoomId, revision: u64) {
        if self.markers.len() < KEPT_MARKERS {
            self.markers.insert(id.clone(), revision);
        }
    }

    /// Adds a room whose key a takeover reads, unless something later is known of it. Returns whether it did.
    pub(super) fn find(&mut self, id: &RoomId, found: FoundRoom) -> bool {
        let residence = match found.head {
            Some(head) if found.is_too_new => Residence::TooNew(head.version),
            Some(head) => Residence::Stored(Stored::new(head.instance, head.due_ms)),
            None => Residence::Deleted(found.covered),
        };
        let marker = self.markers.get(id).copied().unwrap_or(0);
        match self.rooms.get_mut(id) {
            None if marker > found.revision => return false,
            Some(known) if known.is_loaded() || known.revision() >= found.revision => return false,
            // A record said that it was too new, but the room has changed since.
            Some(known) if known.is_too_new() && !found.is_too_new => {}
            Some(known) if known.refusal().is_some() => {
                known.set_revision(found.revision);
                return false;
            }
            None | Some(_) => {}
        }
        self.insert(id, residence, found.covered, found.revision);
        true
    }

    /// Leaves a room in its stored snapshot, because this build is too old for it. `place`: the last entry that the snapshot
    /// covers, and its revision, as far as they are known.
    pub(super) fn leave_too_new(&mut self, id: &RoomId, version: u32, place: Option<(u64, u64)>) {
        let residence = Residence::TooNew(version);
        match place {
            Some((covered, revision)) => self.insert(id, residence, covered, revision),
            None => self.set_residence(id, residence),
        }
    }

    /// Adds a room whose snapshot cannot be used, so that it is not taken for one that does not exist.
    pub(super) fn find_unusable(&mut self, id: &RoomId, revision: u64) {
        if self.rooms.get(id).is_none() {
            let stored = Residence::Stored(Stored::new(Instance(0), None));
            self.insert(id, stored, 0, revision);
        }
    }

    /// Handles that the key of a room has no value: it is missing, or has a delete marker of this revision. Returns
    /// whether the room was known, so that it is gone: the bucket was wiped.
    pub(super) fn find_nothing(&mut self, id: &RoomId, marker: u64) -> bool {
        let is_gone = self.rooms.get(id).is_some_and(KnownRoom::is_stored);
        if is_gone {
            self.remove(id, marker);
        } else if self.rooms.get(id).is_none() && marker > 0 {
            self.add_marker(id, marker);
        }
        is_gone
    }

    /// Notes that a takeover has read all stored rooms. Until then a room that is not known may exist.
    pub(super) fn set_complete(&mut self) {
        self.is_complete = true;
    }

    /// Names the room that was just looked for, while what waited for it is handled. If it is not known then, it does
    /// not exist.
    pub(super) fn set_looked_for(&mut self, id: Option<&RoomId>) {
        self.looked_for = id.cloned();
    }

    /// Whether a room that is not known may exist.
    pub(super) fn may_exist(&self, id: &RoomId) -> bool {
        !self.is_complete && self.looked_for.as_ref() != Some(id) && self.rooms.get(id).is_none()
    }

    /// Whether a room must be read before it is used: it is stored, or may be.
    pub(super) fn is_unread(&self, id: &RoomId) -> bool {
        self.may_exist(id) || self.rooms.get(id).is_some_and(KnownRoom::is_stored)
    }

    /// Sets or (`None`) forgets the last whole state of a quarantined room, which is to be stored.
    pub(super) fn set_whole(&mut self, id: &RoomId, whole: Option<Bytes>) {
        match whole {
            Some(whole) => drop(self.whole.insert(id.clone(), whole)),
            None => drop(self.whole.remove(id)),
        }
    }

    /// Returns the last whole state of a quarantined room, if it is to be stored.
    pub(super) fn whole(&self, id: &RoomId) -> Option<Bytes> {
        self.whole.get(id).cloned()
    }

    /// Returns when the next timer of a stored room is due, in Unix milliseconds.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Removes and returns a stored room whose next timer is due at `now_ms`. It must be loaded.
    pub(super) fn pop_due(&mut self, now_ms: u64) -> Option<RoomId> {
        let is_due = self.next_due()? <= now_ms;
        let (_, slot) = is_due.then(|| self.due.pop_first())??;
        self.rooms.id(slot).cloned()
    }

    fn count(&mut self, game: &str, residence: &Residence) {
        match residence {
            Residence::Loaded(_) => {
                self.loaded += 1;
                *self.games.get_or_insert(game, || 0) += 1;
            }
            Residence::Stored(_) => self.stored += 1,
            Residence::TooNew(_) => self.too_new += 1,
            Residence::Quarantined(_) => self.quarantined += 1,
            Residence::Deleted(_) => {}
        }
    }

    fn uncount(&mut self, game: &str, slot: Slot, residence: &Residence) {
        match residence {
            Residence::Loaded(_) => {
                self.loaded -= 1;
                *self.games.get_or_insert(game, || 0) -= 1;
            }
            Residence::Stored(stored) => {
                self.stored -= 1;
                if let Some(at) = stored.due_ms() {
                    self.due.remove(&(at, slot));
                }
            }
            Residence::TooNew(_) => self.too_new -= 1,
            Residence::Quarantined(_) => self.quarantined -= 1,
            Residence::Deleted(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
