//! The state of an endpoint, as the rest of its shard knows it.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// The interval at which the end of the last connection is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Whether an endpoint accepts clients, and whether all have been told that they are disconnected.
#[derive(Debug, Default)]
pub struct Status {
    is_stopped: Cell<bool>,
    is_handed_over: Cell<bool>,
    connections: Cell<usize>,
    bell: Notify,
}

impl Status {
    /// Refuses new clients from now on.
    pub fn stop(&self) {
        self.is_stopped.set(true);
    }

    /// Leaves the sockets to another process from now on: packets are sent, but no packet is read after this call. The
    /// other process forwards those of this one's connections, and of clients that this one has asked to prove their
    /// address.
    pub fn hand_over(&self) {
        self.is_handed_over.set(true);
        self.bell.notify_one();
    }

    pub(super) fn is_handed_over(&self) -> bool {
        self.is_handed_over.get()
    }

    /// Waits until the sockets are handed over.
    pub(super) async fn changed(&self) {
        self.bell.notified().await;
    }

    /// Waits until all connections are closed, at most for `within`. A process that ends earlier leaves its clients without
    /// a word, because the kernel sends nothing for it.
    pub async fn settled(&self, within: Duration) {
        let end = Instant::now() + within;
        while self.connections.get() > 0 && Instant::now() < end {
            sleep(POLL_INTERVAL).await;
        }
    }

    pub(super) fn is_accepting(&self) -> bool {
        !self.is_stopped.get()
    }

    pub(super) fn on_begin(&self) {
        self.connections.set(self.connections.get() + 1);
    }

    pub(super) fn on_end(&self) {
        self.connections
            .set(self.connections.get().saturating_sub(1));
    }
}
