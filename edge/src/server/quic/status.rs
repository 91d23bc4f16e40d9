//! What the rest of the shard has to know of its endpoint.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The interval at which the end of the last connection is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Whether an endpoint accepts clients, and whether all have been told that they are disconnected.
#[derive(Debug, Default)]
pub struct Status {
    is_stopped: Cell<bool>,
    is_handed_over: Cell<bool>,
    connections: Cell<usize>,
}

impl Status {
    /// Refuses new clients from now on.
    pub fn stop(&self) {
        self.is_stopped.set(true);
    }

    /// Leaves the socket to another process from now on: packets are sent, but not read any more.
    pub fn hand_over(&self) {
        self.stop();
        self.is_handed_over.set(true);
    }

    pub(super) fn is_handed_over(&self) -> bool {
        self.is_handed_over.get()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.connections.get() == 0
    }

    /// Waits until all connections are closed, at most for `within`. A process that ends earlier leaves its clients without
    /// a word, because the kernel sends nothing for it.
    pub async fn settled(&self, within: Duration) {
        let end = Instant::now() + within;
        while !self.is_settled() && Instant::now() < end {
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
