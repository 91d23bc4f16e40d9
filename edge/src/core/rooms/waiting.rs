//! The clients of a lane that wait for its first snapshot, each found, added and removed in O(1).

use indexmap::IndexSet;

use crate::conn::key::ConnKey;

/// Clients that wait. Those that were called are visited once, in slices, while others come and go.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    conns: IndexSet<ConnKey>,
    /// The number of clients at the start of `conns` that were called and not visited yet.
    called: usize,
}

impl Waiting {
    /// Adds a client, unless it waits already.
    pub(crate) fn insert(&mut self, conn: ConnKey) {
        self.conns.insert(conn);
    }

    /// Removes a client, if it waits.
    pub(crate) fn remove(&mut self, conn: ConnKey) {
        let Some(mut index) = self.conns.get_index_of(&conn) else {
            return;
        };
        if index < self.called {
            self.called -= 1;
            self.conns.swap_indices(index, self.called);
            index = self.called;
        }
        self.conns.swap_remove_index(index);
        if self.conns.is_empty() {
            self.conns = IndexSet::new();
        }
    }

    /// Calls all clients that wait.
    pub(crate) fn call(&mut self) {
        self.called = self.conns.len();
    }

    /// The next client that was called. It waits on until it is removed.
    pub(crate) fn next_called(&mut self) -> Option<ConnKey> {
        self.called = self.called.checked_sub(1)?;
        self.conns.get_index(self.called).copied()
    }

    /// Whether a client was called and not visited yet.
    pub(crate) fn has_called(&self) -> bool {
        self.called > 0
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
    fn each_called_client_is_visited_once_while_others_come_and_go() {
        let mut waiting = Waiting::default();
        (0..10).for_each(|index| waiting.insert(conn(index)));
        waiting.call();
        // One that was called leaves, and one that was not comes.
        waiting.remove(conn(3));
        waiting.insert(conn(20));
        let mut visited = Vec::new();
        while let Some(conn) = waiting.next_called() {
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
        assert!(!waiting.has_called());
        waiting.call();
        let rest: std::collections::BTreeSet<_> =
            std::iter::from_fn(|| waiting.next_called()).collect();
        assert_eq!(rest, [1, 5, 7, 9, 21].map(conn).into());
    }
}
