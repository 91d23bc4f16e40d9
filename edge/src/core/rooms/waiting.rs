//! The clients of a lane that wait for its first snapshot, each found, added and removed in O(1).

use indexmap::IndexSet;

use crate::conn::key::ConnKey;

/// Clients that wait. Released clients are visited once, in slices, while others come and go.
#[derive(Debug, Default)]
pub(crate) struct WaitingClients {
    conns: IndexSet<ConnKey>,
    /// The number of clients at the start of `conns` that are released and not visited yet.
    released: usize,
}

impl WaitingClients {
    /// Adds a client, unless it waits already.
    pub(crate) fn insert(&mut self, conn: ConnKey) {
        self.conns.insert(conn);
    }

    /// Whether a client waits.
    pub(crate) fn contains(&self, conn: ConnKey) -> bool {
        self.conns.contains(&conn)
    }

    /// Removes a client, if it waits.
    pub(crate) fn remove(&mut self, conn: ConnKey) {
        let Some(mut index) = self.conns.get_index_of(&conn) else {
            return;
        };
        if index < self.released {
            self.released -= 1;
            self.conns.swap_indices(index, self.released);
            index = self.released;
        }
        self.conns.swap_remove_index(index);
        if self.conns.is_empty() {
            self.conns = IndexSet::new();
        }
    }

    /// Releases all clients that wait.
    pub(crate) fn release(&mut self) {
        self.released = self.conns.len();
    }

    /// The next client that is released. It waits on until it is removed.
    pub(crate) fn next_released(&mut self) -> Option<ConnKey> {
        self.released = self.released.checked_sub(1)?;
        self.conns.get_index(self.released).copied()
    }

    /// Whether a client is released and not visited yet.
    pub(crate) fn has_released(&self) -> bool {
        self.released > 0
    }

    /// Whether no client waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.conns.is_empty()
    }

    /// Some client that waits.
    pub(crate) fn last(&self) -> Option<ConnKey> {
        self.conns.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn(index: u32) -> ConnKey {
        ConnKey {
            index,
            generation: 0,
        }
    }

    #[test]
    fn each_released_client_is_visited_once_while_others_come_and_go() {
        let mut waiting = WaitingClients::default();
        (0..10).for_each(|index| waiting.insert(conn(index)));
        waiting.release();
        // One that is released leaves, and one that is not comes.
        waiting.remove(conn(3));
        waiting.insert(conn(20));
        let mut visited = Vec::new();
        while let Some(conn) = waiting.next_released() {
            visited.push(conn.index);
            if conn.index % 2 == 0 {
                waiting.remove(conn);
            }
            if conn.index == 5 {
                waiting.remove(self::conn(0));
                waiting.remove(self::conn(20));
                waiting.insert(self::conn(21));
            }
        }
        visited.sort_unstable();
        assert_eq!(visited, [1, 2, 4, 5, 6, 7, 8, 9]);
        assert!(!waiting.has_released());
        waiting.release();
        let rest: std::collections::BTreeSet<_> =
            std::iter::from_fn(|| waiting.next_released()).collect();
        assert_eq!(rest, [1, 5, 7, 9, 21].map(conn).into());
    }
}
