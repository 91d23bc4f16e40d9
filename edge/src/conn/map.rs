//! What is kept for each connection, by its place in the shard's table: no hashing, and nothing spent on keys.

use crate::conn::key::ConnKey;

#[cfg(test)]
mod tests;

/// A value a connection. The places of connections are reused, so that the table stays as dense as the shard's.
#[derive(Debug)]
pub struct ConnMap<T> {
    places: Vec<Option<Slot<T>>>,
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
            places: Vec::new(),
            len: 0,
        }
    }
}

impl<T> ConnMap<T> {
    /// Keeps `value`. What was kept for a former connection at the same place is gone.
    pub fn insert(&mut self, conn: ConnKey, value: T) {
        let index = conn.index as usize;
        if index >= self.places.len() {
            self.places.resize_with(index + 1, || None);
        }
        let kept = Slot {
            generation: conn.generation,
            value,
        };
        if self.places[index].replace(kept).is_none() {
            self.len += 1;
        }
    }

    /// What is kept for this connection.
    pub fn get(&self, conn: ConnKey) -> Option<&T> {
        let kept = self.places.get(conn.index as usize)?.as_ref()?;
        (kept.generation == conn.generation).then_some(&kept.value)
    }

    /// What is kept for this connection, to be changed.
    pub fn get_mut(&mut self, conn: ConnKey) -> Option<&mut T> {
        let kept = self.places.get_mut(conn.index as usize)?.as_mut()?;
        (kept.generation == conn.generation).then_some(&mut kept.value)
    }

    /// Takes out what is kept for this connection.
    pub fn remove(&mut self, conn: ConnKey) -> Option<T> {
        let place = self.places.get_mut(conn.index as usize)?;
        let kept = place.take_if(|kept| kept.generation == conn.generation)?;
        self.len -= 1;
        Some(kept.value)
    }

    /// The connections for which something is kept.
    pub fn keys(&self) -> impl Iterator<Item = ConnKey> + '_ {
        self.places.iter().enumerate().filter_map(|(index, place)| {
            Some(ConnKey {
                index: index as u32,
                generation: place.as_ref()?.generation,
            })
        })
    }

    /// For how many connections something is kept.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What one place takes, in bytes.
    pub const fn place_bytes() -> usize {
        size_of::<Option<Slot<T>>>()
    }
}
