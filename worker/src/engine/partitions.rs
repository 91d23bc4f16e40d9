//! The partitions that an engine owns, and what they have together.

use std::collections::{BTreeMap, BTreeSet};

use grandstand_common::id::{Epoch, Partition, ProcessId, RoomId};

use crate::partition::{ListedRoom, OwnedPartition, Page};

/// A place in the list of all rooms: a slot of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RoomPlace {
    pub(crate) partition: Partition,
    pub(crate) slot: usize,
}

/// The partitions that an engine owns.
#[derive(Debug, Default)]
pub struct Partitions {
    owned: BTreeMap<Partition, OwnedPartition>,
}

impl Partitions {
    /// Returns the partitions, with their epochs and whether they are ready.
    pub fn iter(&self) -> impl Iterator<Item = (Partition, Epoch, bool)> + '_ {
        let all = self.owned.iter();
        all.map(|(id, owned)| (*id, owned.epoch(), owned.is_ready()))
    }

    /// Returns the epoch of a partition that is owned.
    pub fn epoch(&self, partition: Partition) -> Option<Epoch> {
        Some(self.owned.get(&partition)?.epoch())
    }

    /// Returns the number of rooms in memory.
    pub fn loaded_rooms(&self) -> usize {
        self.owned.values().map(OwnedPartition::loaded_rooms).sum()
    }

    /// Returns the number of rooms that are stored and not in memory.
    pub fn stored_rooms(&self) -> usize {
        self.owned.values().map(OwnedPartition::stored_rooms).sum()
    }

    /// Returns the number of rooms that the bus does not take at the moment, because its limits have become lower.
    pub fn held_rooms(&self) -> usize {
        self.owned.values().map(OwnedPartition::held_rooms).sum()
    }

    /// Returns the processes of the edges that hold sessions of connected players. They are probed for liveness.
    pub fn session_processes(&self) -> BTreeSet<ProcessId> {
        let owned = self.owned.values();
        owned.flat_map(OwnedPartition::session_processes).collect()
    }

    /// Returns the processes of the edges that watch rooms. Without them, a dead process that had only spectators would
    /// watch forever.
    pub fn watching_processes(&self) -> BTreeSet<ProcessId> {
        let owned = self.owned.values();
        owned.flat_map(OwnedPartition::watching_processes).collect()
    }

    /// Adds the rooms from a place on to a page. Returns the place to continue from if the page is full.
    pub(crate) fn list_rooms(&self, from: RoomPlace, page: &mut Page) -> Option<RoomPlace> {
        for (&partition, owned) in self.owned.range(from.partition..) {
            let first = if partition == from.partition {
                from.slot
            } else {
                0
            };
            if let Some(slot) = owned.list_rooms(first, page) {
                return Some(RoomPlace { partition, slot });
            }
        }
        None
    }

    /// Returns a room, as operators see it.
    pub(crate) fn room(&self, id: &RoomId) -> Option<ListedRoom> {
        self.owned.values().find_map(|owned| owned.room(id))
    }

    /// Returns the number of partitions.
    pub(super) fn count(&self) -> usize {
        self.owned.len()
    }

    /// Returns the ids of all partitions.
    pub(super) fn ids(&self) -> Vec<Partition> {
        self.owned.keys().copied().collect()
    }

    /// Returns each partition.
    pub(super) fn all(&self) -> impl Iterator<Item = (Partition, &OwnedPartition)> {
        self.owned.iter().map(|(id, owned)| (*id, owned))
    }

    /// Returns each partition, to change it.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = (Partition, &mut OwnedPartition)> {
        self.owned.iter_mut().map(|(id, owned)| (*id, owned))
    }

    /// Returns a partition.
    pub(super) fn get(&self, partition: Partition) -> Option<&OwnedPartition> {
        self.owned.get(&partition)
    }

    /// Returns a partition, to change it.
    pub(super) fn get_mut(&mut self, partition: Partition) -> Option<&mut OwnedPartition> {
        self.owned.get_mut(&partition)
    }

    /// Adds a partition.
    pub(super) fn insert(&mut self, partition: Partition, owned: OwnedPartition) {
        self.owned.insert(partition, owned);
    }

    /// Removes a partition and returns it.
    pub(super) fn remove(&mut self, partition: Partition) -> Option<OwnedPartition> {
        self.owned.remove(&partition)
    }
}
