//! The state that all handles of a connection to NATS share.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::AbortHandle;

use crate::bus::nats::connection::Connection;
use crate::bus::nats::servers::Servers;
use crate::bus::options::BusOptions;

/// The state of clones, subscriptions and readers. The connection ends with the last of them.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) connection: Connection,
    pub(super) options: BusOptions,
    pub(super) servers: Servers,
    tasks: Vec<AbortHandle>,
    /// Numbers the deliver subjects of readers.
    readers: AtomicU64,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Inner {
    pub(super) fn new(
        connection: Connection,
        options: &BusOptions,
        servers: Servers,
        tasks: Vec<AbortHandle>,
    ) -> Self {
        Self {
            connection,
            options: options.clone(),
            servers,
            tasks,
            readers: AtomicU64::new(0),
        }
    }

    /// A number for the next reader's consumer.
    pub(super) fn next_reader(&self) -> u64 {
        self.readers.fetch_add(1, Ordering::Relaxed)
    }
}
