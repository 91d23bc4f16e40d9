//! The items that the rooms of a partition have sent out, until they are acked, and the entries of rooms that wait for acks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use grandstand_common::id::RoomId;

use super::outlet::Outlet;
use crate::deadlines::Deadlines;
use crate::stored::outlet::PendingItem;

/// The most items of a partition on their way.
const IN_FLIGHT: usize = 256;
/// The most rooms of a partition whose entries are read again at once.
const READERS: usize = 8;

/// An item that is to be sent.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) room: RoomId,
    /// Names the item when its outcome comes.
    pub(super) place: u64,
    pub(super) item: PendingItem,
}

/// The items that the rooms of a partition have sent out. Rooms that have sent nothing out cost nothing.
#[derive(Debug, Default)]
pub(super) struct Outlets {
    rooms: BTreeMap<RoomId, Outlet>,
    /// The first entry that each room has not got, because too many items were not acked.
    held: BTreeSet<(u64, RoomId)>,
    /// The rooms whose entries are read again, by the number of the reader.
    readers: BTreeMap<u64, RoomId>,
    next_reader: u64,
    /// The times at which rooms may send items.
    due: Deadlines<RoomId>,
    in_flight: usize,
}

impl Outlets {
    /// Adds an item of a room.
    pub(super) fn push(&mut self, id: &RoomId, item: PendingItem, now: Instant) {
        self.rooms.entry(id.clone()).or_default().push(item);
        self.due.set(id, Some(now));
    }

    /// Adds the items of a room's snapshot that was loaded.
    pub(super) fn restore(&mut self, id: &RoomId, items: Vec<PendingItem>, now: Instant) {
        if items.is_empty() {
            return;
        }
        for item in items {
            self.push(id, item, now);
        }
        if let Some(outlet) = self.rooms.get_mut(id) {
            outlet.set_stored(true);
        }
    }

    /// Returns the items of a room that are not acked.
    pub(super) fn items(&self, id: &RoomId) -> Vec<&PendingItem> {
        let outlet = self.rooms.get(id).into_iter();
        outlet.flat_map(Outlet::items).collect()
    }

    /// Whether items of a room are not acked, or entries wait for acks.
    pub(super) fn is_busy(&self, id: &RoomId) -> bool {
        let outlet = self.rooms.get(id);
        outlet.is_some_and(|outlet| !outlet.is_empty() || outlet.held_from().is_some())
    }

    /// Notes which items the snapshot has that is being written.
    pub(super) fn set_stored(&mut self, id: &RoomId) {
        if let Some(outlet) = self.rooms.get_mut(id) {
            let has_items = !outlet.is_empty();
            outlet.set_stored(has_items);
            self.forget(id);
        }
    }

    /// Whether all items of a room are acked, but not in its snapshot.
    pub(super) fn is_outdated(&self, id: &RoomId) -> bool {
        let outlet = self.rooms.get(id);
        outlet.is_some_and(|outlet| outlet.is_empty() && outlet.is_stored())
    }

    /// Begins to send the next item that may be sent.
    pub(super) fn begin(&mut self, now: Instant) -> Option<Sending> {
        while self.in_flight < IN_FLIGHT
            && let Some(room) = self.due.pop_due(now)
        {
            let Some(outlet) = self.rooms.get_mut(&room) else {
                continue;
            };
            if let Some((place, item)) = outlet.begin(now) {
                self.in_flight += 1;
                self.due.set(&room, Some(now));
                return Some(Sending { room, place, item });
            }
            self.due.set(&room, outlet.retry_at(now));
        }
        None
    }

    /// Ends the sending of an item. Returns whether it was the room's last one.
    pub(super) fn end(&mut self, id: &RoomId, place: u64, is_acked: bool, now: Instant) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(outlet) = self.rooms.get_mut(id) else {
            return false;
        };
        let at = outlet.end(place, is_acked, now);
        self.due.set(id, at);
        is_acked && outlet.is_empty()
    }

    /// Holds an entry of a room back if the room has too many items, or entries that it has not got. Returns whether it
    /// does.
    pub(super) fn hold(&mut self, id: &RoomId, seq: u64) -> bool {
        let Some(outlet) = self.rooms.get_mut(id) else {
            return false;
        };
        if outlet.held_from().is_none() && !outlet.is_full() {
            return false;
        }
        if outlet.hold(seq) {
            self.held.insert((seq, id.clone()));
        }
        true
    }

    /// Holds the entries of a room that runs again back, from `from` to `last`. They are read for it alone.
    pub(super) fn hold_all(&mut self, id: &RoomId, from: u64, last: u64) {
        let outlet = self.rooms.entry(id.clone()).or_default();
        outlet.hold_all(from, last);
        self.held.insert((from, id.clone()));
    }

    /// Whether entries of a room are held back.
    pub(super) fn is_held(&self, id: &RoomId) -> bool {
        self.held_from(id).is_some()
    }

    /// Returns the number of rooms with entries that are held back.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Returns the first entry of a room that is held back.
    pub(super) fn held_from(&self, id: &RoomId) -> Option<u64> {
        self.rooms.get(id)?.held_from()
    }

    /// Returns the first entry of any room that is held back.
    pub(super) fn first_held(&self) -> Option<u64> {
        self.held.first().map(|(seq, _)| *seq)
    }

    /// Begins to read the entries of a room again, from the one that it returns on, if enough items are acked. Returns the
    /// number of the reader.
    pub(super) fn begin_reading(&mut self, id: &RoomId) -> Option<(u64, u64)> {
        let outlet = self.rooms.get_mut(id)?;
        let from = outlet.held_from()?;
        if self.readers.len() >= READERS || outlet.reader().is_some() || !outlet.has_space() {
            return None;
        }
        self.next_reader += 1;
        outlet.set_reader(Some(self.next_reader));
        self.readers.insert(self.next_reader, id.clone());
        Some((self.next_reader, from))
    }

    /// Returns the rooms with entries that are held back.
    pub(super) fn held_rooms(&self) -> Vec<RoomId> {
        self.held.iter().map(|(_, id)| id.clone()).collect()
    }

    /// Returns the room of a reader that is current.
    pub(super) fn room_of(&self, reader: u64) -> Option<&RoomId> {
        self.readers.get(&reader)
    }

    /// Returns the readers.
    pub(super) fn readers(&self) -> impl Iterator<Item = u64> {
        self.readers.keys().copied()
    }

    /// Interrupts the reading of a room's entries.
    pub(super) fn stop_reading(&mut self, reader: u64) {
        if let Some(id) = self.readers.remove(&reader)
            && let Some(outlet) = self.rooms.get_mut(&id)
        {
            outlet.set_reader(None);
        }
    }

    /// Whether a room with entries that are held back gets one of them now. Otherwise the reading must stop.
    pub(super) fn takes(&self, id: &RoomId) -> bool {
        self.rooms.get(id).is_some_and(|outlet| !outlet.is_full())
    }

    /// Whether an entry is one of those that are held back. The partition's log delivers later ones.
    pub(super) fn is_held_entry(&self, id: &RoomId, seq: u64) -> bool {
        self.rooms.get(id).is_some_and(|outlet| outlet.is_held(seq))
    }

    /// Moves past an entry of a room that was held back. Returns whether there are more.
    pub(super) fn pass(&mut self, id: &RoomId, seq: u64) -> bool {
        let Some(outlet) = self.rooms.get_mut(id) else {
            return false;
        };
        if let Some(from) = outlet.held_from() {
            self.held.remove(&(from, id.clone()));
            self.held.insert((seq + 1, id.clone()));
        }
        outlet.pass(seq)
    }

    /// Returns the reader of a room's entries.
    pub(super) fn reader_of(&self, id: &RoomId) -> Option<u64> {
        self.rooms.get(id)?.reader()
    }

    /// Forgets everything, because a takeover begins again. The numbers of readers go on.
    pub(super) fn reset(&mut self) {
        *self = Self {
            next_reader: self.next_reader,
            ..Self::default()
        };
    }

    /// Ends the hold of a room. Returns the first entry that it has not got, if there is one.
    pub(super) fn end_hold(&mut self, id: &RoomId) -> Option<u64> {
        let outlet = self.rooms.get_mut(id)?;
        if let Some(from) = outlet.held_from() {
            self.held.remove(&(from, id.clone()));
        }
        if let Some(reader) = outlet.reader() {
            self.readers.remove(&reader);
        }
        let missing = outlet.end_hold();
        self.forget(id);
        missing
    }

    /// Notes that the log lost the entries from `cut` on (D11).
    pub(super) fn cut(&mut self, cut: u64) {
        for (id, outlet) in &mut self.rooms {
            let before = outlet.held_from();
            outlet.cut(cut);
            if let Some((before, after)) = before.zip(outlet.held_from()) {
                self.held.remove(&(before, id.clone()));
                self.held.insert((after, id.clone()));
            }
        }
    }

    /// The time at which the next item may be sent.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.next().filter(|_| self.in_flight < IN_FLIGHT)
    }

    fn forget(&mut self, id: &RoomId) {
        if self.rooms.get(id).is_some_and(Outlet::is_forgotten) {
            self.rooms.remove(id);
            self.due.set(id, None);
        }
    }
}
