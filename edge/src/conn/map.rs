//! A map from connections to values: an array indexed by the connection's slot in the shard's table.
//!
//! A lookup is one bounds check and one comparison of generations; nothing is hashed and no key is stored. The keys are
//! those of the server's table, a `slotmap::SlotMap`. Its `SecondaryMap` is no replacement for this map: its slots
//! cannot be visited from one of them on, which announcements to all clients need, and it is not faster
//! (`benches/README.md`).

use crate::conn::key::ConnKey;

#[cfg(test)]
mod tests;

/// One value per connection. Slots of closed connections are reused, so that the array stays as dense as the shard's table.
#[derive(Debug)]
pub struct ConnMap<T> {
    slots: Vec<Option<Slot<T>>>,
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: T,
}

impl<T> Default for ConnMap<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            len: 0,
        }
    }
}

impl<T> ConnMap<T> {
    /// Stores `value` for `conn`, and drops the value of an earlier connection in the same slot.
    pub fn insert(&mut self, conn: ConnKey, value: T) {
        let index = conn.index as usize;
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        let slot = Slot {
            generation: conn.generation,
            value,
        };
        if self.slots[index].replace(slot).is_none() {
            self.len += 1;
        }
    }

    /// The connection's value.
    pub fn get(&self, conn: ConnKey) -> Option<&T> {
        let slot = self.slots.get(conn.index as usize)?.as_ref()?;
        (slot.generation == conn.generation).then_some(&slot.value)
    }

    /// The connection's value, mutable.
    pub fn get_mut(&mut self, conn: ConnKey) -> Option<&mut T> {
        let slot = self.slots.get_mut(conn.index as usize)?.as_mut()?;
        (slot.generation == conn.generation).then_some(&mut slot.value)
    }

    /// Removes and returns the connection's value.
    pub fn remove(&mut self, conn: ConnKey) -> Option<T> {
        let slot = self.slots.get_mut(conn.index as usize)?;
        let slot = slot.take_if(|slot| slot.generation == conn.generation)?;
        self.len -= 1;
        Some(slot.value)
    }

    /// All values.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten().map(|slot| &slot.value)
    }

    /// The connection that has a value in this slot.
    pub fn key_at(&self, slot: usize) -> Option<ConnKey> {
        let generation = self.slots.get(slot)?.as_ref()?.generation;
        Some(ConnKey {
            index: slot as u32,
            generation,
        })
    }

    /// The number of slots, those without a value included.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The number of connections that have a value.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no connection has a value.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The size of one slot, in bytes.
    pub const fn slot_bytes() -> usize {
        size_of::<Option<Slot<T>>>()
    }
}
