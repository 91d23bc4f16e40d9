//! The table of a partition's rooms by id. A million stored rooms are to fit in little memory, so that each has one dense
//! entry, and an index of four bytes finds it (D25).

use std::hash::{BuildHasher, RandomState};

use grandstand_common::id::RoomId;
use hashbrown::HashTable;
use slab::Slab;

use super::known_room::KnownRoom;

/// The place of a room in the table, until the room is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u32);

impl Slot {
    fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug)]
struct Entry {
    id: RoomId,
    room: KnownRoom,
}

/// Rooms by id.
#[derive(Debug, Default)]
pub(super) struct RoomTable {
    entries: Slab<Entry>,
    slots: HashTable<Slot>,
    /// Clients choose the ids, so the hash has a random key.
    hasher: RandomState,
}

impl RoomTable {
    pub(super) fn slot(&self, id: &RoomId) -> Option<Slot> {
        let is_it = |slot: &Slot| self.id(*slot) == Some(id);
        self.slots.find(self.hasher.hash_one(id), is_it).copied()
    }

    pub(super) fn id(&self, slot: Slot) -> Option<&RoomId> {
        Some(&self.entries.get(slot.index())?.id)
    }

    /// Returns the number of slots, also of those of rooms that were removed.
    pub(super) fn slots(&self) -> usize {
        self.entries.capacity()
    }

    pub(super) fn at(&self, slot: usize) -> Option<(&RoomId, &KnownRoom)> {
        let entry = self.entries.get(slot)?;
        Some((&entry.id, &entry.room))
    }

    pub(super) fn get(&self, id: &RoomId) -> Option<&KnownRoom> {
        Some(&self.entries.get(self.slot(id)?.index())?.room)
    }

    pub(super) fn get_mut(&mut self, id: &RoomId) -> Option<&mut KnownRoom> {
        let slot = self.slot(id)?;
        self.at_mut(slot)
    }

    pub(super) fn at_mut(&mut self, slot: Slot) -> Option<&mut KnownRoom> {
        Some(&mut self.entries.get_mut(slot.index())?.room)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut KnownRoom> {
        self.entries.iter_mut().map(|(_, entry)| &mut entry.room)
    }

    /// Adds a room that is not in the table.
    pub(super) fn insert(&mut self, id: RoomId, room: KnownRoom) -> Slot {
        let hash = self.hasher.hash_one(&id);
        // A partition has less than four billion rooms: they would not fit in memory.
        let slot = Slot(self.entries.insert(Entry { id, room }) as u32);
        let entries = &self.entries;
        let hasher = &self.hasher;
        self.slots.insert_unique(hash, slot, |slot| {
            let entry = entries.get(slot.index());
            entry.map_or(0, |entry| hasher.hash_one(&entry.id))
        });
        slot
    }

    /// Removes a room.
    pub(super) fn remove(&mut self, id: &RoomId) -> Option<(Slot, KnownRoom)> {
        let entries = &self.entries;
        let is_it = |slot: &Slot| {
            entries
                .get(slot.index())
                .is_some_and(|entry| entry.id == *id)
        };
        let found = self.slots.find_entry(self.hasher.hash_one(id), is_it);
        let (slot, _) = found.ok()?.remove();
        let entry = self.entries.try_remove(slot.index())?;
        Some((slot, entry.room))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{RngExt as _, SeedableRng};

    use super::*;
    use crate::partition::residence::Residence;
    use crate::partition::testing::room;

    #[test]
    fn the_table_agrees_with_a_map() {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let mut table = RoomTable::default();
        let mut map = BTreeMap::new();
        for revision in 1..20_000 {
            let id = room(&format!("echo-{}", random.random_range(0..500)));
            if random.random_bool(0.4) {
                let removed = table.remove(&id).map(|(_, room)| room.revision());
                assert_eq!(removed, map.remove(&id));
            } else if let Some(known) = table.get_mut(&id) {
                known.set_revision(revision);
                assert!(map.insert(id, revision).is_some());
            } else {
                let slot =
                    table.insert(id.clone(), KnownRoom::new(Residence::Deleted(1), revision));
                assert_eq!(table.id(slot), Some(&id));
                assert_eq!(map.insert(id, revision), None);
            }
        }
        assert_eq!(table.values_mut().count(), map.len());
        for (id, revision) in &map {
            assert_eq!(table.get(id).map(KnownRoom::revision), Some(*revision));
        }
    }
}
