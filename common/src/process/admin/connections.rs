//! The open connections of the admin port. A new one never waits behind idle ones: when all places are taken, it takes the
//! place of one that waits for a request.
//!
//! The idle connection that loses its place is the oldest of the address that has the most, so that an address that
//! opens connections again and again ends its own, and not the probes from elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

// Held to change an entry; all connections are on one thread.
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

/// The most connections at a time, beside those that end at the moment.
pub(super) const MAX_CONNECTIONS: usize = 64;

/// The open connections.
#[derive(Debug, Default)]
pub(super) struct Connections {
    table: Mutex<Table>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    /// The connections, by the time at which they became idle.
    open: BTreeMap<u64, Open>,
    next: u64,
}

#[derive(Debug)]
struct Open {
    address: IpAddr,
    /// Whether it uses a descriptor of the reserve.
    is_spent: bool,
    /// The number of its requests that are being answered.
    answering: u32,
    /// Dropped to end the connection.
    _alive: oneshot::Sender<()>,
}

/// The place of a connection, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    number: Mutex<u64>,
}

/// A request that is being answered. Its connection keeps its place.
pub(super) struct Answering<'a>(&'a Place);

impl Table {
    fn insert(&mut self, open: Open) -> u64 {
        let number = self.next;
        self.next += 1;
        self.open.insert(number, open);
        number
    }

    /// The connection that ends for a new one: of those that `may_end`, the oldest of the address that has the most.
    fn victim(&self, may_end: impl Fn(&Open) -> bool) -> Option<u64> {
        let mut counts = HashMap::<IpAddr, usize>::new();
        for open in self.open.values() {
            *counts.entry(open.address).or_default() += 1;
        }
        let idle = self.open.iter().filter(|(_, open)| open.answering == 0);
        let idle = idle.filter(|(_, open)| may_end(open)).rev();
        // The last of several equal ones is the oldest.
        let victim = idle.max_by_key(|(_, open)| counts.get(&open.address));
        victim.map(|(number, _)| *number)
    }

    fn end(&mut self, may_end: impl Fn(&Open) -> bool) -> bool {
        let victim = self.victim(may_end);
        victim.is_some_and(|number| self.open.remove(&number).is_some())
    }
}

impl Connections {
    /// Waits until a new connection has a place: while all are taken and each answers a request.
    pub(super) async fn has_place(&self) {
        loop {
            let changed = self.changed.notified();
            {
                let table = self.table.lock();
                if table.open.len() < MAX_CONNECTIONS || table.victim(|_| true).is_some() {
                    return;
                }
            }
            changed.await;
        }
    }

    /// Adds a connection, in place of an idle one if all places are taken. The receiver fails when another connection has
    /// taken its place. `is_spent`: whether it uses a descriptor of the reserve.
    pub(super) fn enter(
        self: &Arc<Self>,
        address: IpAddr,
        is_spent: bool,
    ) -> (Place, oneshot::Receiver<()>) {
        let (alive, ended) = oneshot::channel();
        let mut table = self.table.lock();
        if table.open.len() >= MAX_CONNECTIONS {
            table.end(|_| true);
        }
        let number = table.insert(Open {
            address,
            is_spent,
            answering: 0,
            _alive: alive,
        });
        let place = Place {
            connections: self.clone(),
            number: Mutex::new(number),
        };
        (place, ended)
    }

    /// Ends an idle connection that uses a descriptor of the reserve. Returns whether there was one.
    pub(super) fn end_spent(&self) -> bool {
        self.table.lock().end(|open| open.is_spent)
    }
}

impl Place {
    /// Begins to answer a request.
    pub(super) fn answer(&self) -> Answering<'_> {
        let mut table = self.connections.table.lock();
        if let Some(open) = table.open.get_mut(&self.number.lock()) {
            open.answering += 1;
        }
        Answering(self)
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        let Place {
            connections,
            number,
        } = self.0;
        {
            let mut table = connections.table.lock();
            let mut number = number.lock();
            if let Some(mut open) = table.open.remove(&number) {
                open.answering -= 1;
                *number = table.insert(open);
            }
        }
        connections.changed.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.connections.table.lock();
        table.open.remove(&self.number.lock());
        drop(table);
        self.connections.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const PROBE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn is_ended(ended: &mut oneshot::Receiver<()>) -> bool {
        ended.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    fn ended(all: &mut [(Place, oneshot::Receiver<()>)]) -> Vec<bool> {
        all.iter_mut().map(|(_, ended)| is_ended(ended)).collect()
    }

    #[test]
    fn d28_the_address_with_the_most_connections_loses_its_oldest_idle_one() {
        let connections = Arc::<Connections>::default();
        let mut probe = connections.enter(PROBE, false);
        let enter = |_| connections.enter(NOISY, false);
        let mut noisy: Vec<_> = (1..MAX_CONNECTIONS).map(enter).collect();
        assert!(!ended(&mut noisy).contains(&true));
        // The first has asked, so the second has been idle for longest; the third is being answered.
        drop(noisy[0].0.answer());
        let (third, mut third_ended) = noisy.remove(2);
        let answering = third.answer();
        let _more: Vec<_> = (0..2).map(enter).collect();
        assert_eq!(ended(&mut noisy)[..4], [false, true, true, false]);
        assert!(!is_ended(&mut third_ended) && !is_ended(&mut probe.1));
        drop(answering);
    }

    #[tokio::test(start_paused = true)]
    async fn d26_a_connection_that_is_answered_keeps_its_place() {
        let connections = Arc::<Connections>::default();
        let enter = |_| connections.enter(NOISY, false);
        let mut all: Vec<_> = (0..MAX_CONNECTIONS).map(enter).collect();
        let mut answered: Vec<_> = all.iter().map(|(place, _)| place.answer()).collect();
        let wait = std::time::Duration::from_secs(1);
        let has_place = tokio::time::timeout(wait, connections.has_place());
        assert!(has_place.await.is_err());
        answered.pop();
        connections.has_place().await;
        let _one = connections.enter(PROBE, false);
        drop(answered);
        let ended = ended(&mut all);
        assert_eq!(ended.iter().filter(|ended| **ended).count(), 1);
        assert!(ended[MAX_CONNECTIONS - 1]);
    }

    #[test]
    fn d28_only_a_connection_of_the_reserve_gives_its_descriptor_back() {
        let connections = Arc::<Connections>::default();
        let mut plain = connections.enter(NOISY, false);
        assert!(!connections.end_spent());
        let mut spent = connections.enter(PROBE, true);
        assert!(connections.end_spent());
        assert!(is_ended(&mut spent.1) && !is_ended(&mut plain.1));
    }
}
