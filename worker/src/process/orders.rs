//! Orders of the lease loop to a room loop, and the room loop's reports.

use std::collections::BTreeMap;

use grandstand_common::id::{Epoch, Partition};
use grandstand_common::record::{GameVersions, StuckEntry};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::settings::WorkerError;

/// An order about a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// Take the partition over.
    Take(Epoch, Vec<StuckEntry>),
    /// Hand the partition over. [`LoopReport::Stopped`] follows.
    Release(Epoch),
    /// Drop the partition at once.
    Drop,
}

/// The orders that a room loop has not taken yet. There is at most one per partition, because a later order replaces an
/// earlier one; so the lease loop never waits, also for a loop that is stuck.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pending: Mutex<Pending>,
    given: Notify,
    closed: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    orders: BTreeMap<Partition, Order>,
    /// The versions that the leases name of their rooms' games, with the epochs of the leases.
    needs: BTreeMap<Partition, (Epoch, GameVersions)>,
    closed: bool,
}

impl Orders {
    /// Gives an order.
    pub(super) fn give(&self, partition: Partition, order: Order) {
        self.pending.lock().orders.insert(partition, order);
        self.given.notify_one();
    }

    /// Passes on what the lease of a partition says about the games of its rooms. Replaces earlier ones.
    pub(super) fn give_needs(&self, partition: Partition, epoch: Epoch, needs: GameVersions) {
        self.pending.lock().needs.insert(partition, (epoch, needs));
        self.given.notify_one();
    }

    /// Waits for orders. May return although there are none.
    pub(super) async fn given(&self) {
        self.given.notified().await;
    }

    /// Takes all orders.
    pub(super) fn take(&self) -> BTreeMap<Partition, Order> {
        std::mem::take(&mut self.pending.lock().orders)
    }

    /// Takes what leases say about the games of their rooms. Call it after [`take`](Self::take).
    pub(super) fn take_needs(&self) -> BTreeMap<Partition, (Epoch, GameVersions)> {
        std::mem::take(&mut self.pending.lock().needs)
    }

    /// Ends the loop: there are no further orders.
    pub(super) fn close(&self) {
        self.pending.lock().closed = true;
        self.closed.notify_one();
    }

    /// Waits until the loop is to end.
    pub(super) async fn closed(&self) {
        while !self.pending.lock().closed {
            self.closed.notified().await;
        }
    }
}

/// A report of a room loop to the lease loop.
#[derive(Debug)]
pub(super) enum LoopReport {
    /// The takeover is complete, and the partition's subjects are subscribed to.
    Ready(Partition, Epoch),
    /// The partition is handed over or dropped, and no write is in flight.
    Stopped(Partition, Epoch),
    /// The lease is to say that the partition's rooms need these versions of games.
    Needs(Partition, Epoch, GameVersions),
    /// Another owner's epoch was seen.
    Seen(Partition, Epoch),
    /// The loop has failed, and no longer acts.
    Failed(WorkerError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_later_order_for_a_partition_replaces_an_earlier_one() {
        let (p, q) = (Partition(1), Partition(2));
        let orders = Orders::default();
        orders.give(p, Order::Take(Epoch(1), Vec::new()));
        orders.give(q, Order::Take(Epoch(2), Vec::new()));
        orders.give(p, Order::Release(Epoch(1)));
        orders.given().await;
        let taken: Vec<_> = orders.take().into_iter().collect();
        assert_eq!(
            taken,
            [
                (p, Order::Release(Epoch(1))),
                (q, Order::Take(Epoch(2), Vec::new()))
            ]
        );
        assert!(orders.take().is_empty());
        orders.close();
        orders.closed().await;
        orders.closed().await;
    }
}
