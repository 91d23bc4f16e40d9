//! The store that all clients of an embedded bus share, and the handle that ends it.

use std::fs::File;
use std::sync::Arc;
use std::thread::JoinHandle;

// Shared by all threads that use the bus and by the committer; held for one operation.
use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;

use crate::bus::embedded::disk::Disk;
use crate::bus::embedded::state::{State, bucket_index};
use crate::bus::options::BusOptions;
use crate::bus::types::Bucket;

/// The most writes that wait for the disk. Further writers wait.
const MAX_QUEUED: usize = 8 * 1024;

/// The store.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) state: Mutex<State>,
    /// Wakes the committer.
    pub(super) work: Condvar,
    /// Wakes the delivery of delayed messages.
    pub(super) delays: Notify,
    pub(super) permits: Arc<Semaphore>,
    pub(super) disk: Option<Disk>,
    pub(super) options: BusOptions,
}

impl Shared {
    pub(super) fn new(options: &BusOptions, state: State, disk: Option<Disk>) -> Self {
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            delays: Notify::new(),
            permits: Arc::new(Semaphore::new(MAX_QUEUED)),
            disk,
            options: options.clone(),
        }
    }

    /// The place of a bucket.
    pub(super) fn bucket(&self, bucket: Bucket) -> usize {
        bucket_index(&self.options, bucket)
    }
}

/// Ends the bus with its last handle: writes everything accepted, then unlocks the folder.
#[derive(Debug)]
pub(crate) struct StoreHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) committer: Option<JoinHandle<()>>,
    pub(super) delays: Option<AbortHandle>,
    /// Locked while the folder is open. Dropped after `shared`.
    pub(super) _lock: Option<File>,
}

impl Drop for StoreHandle {
    fn drop(&mut self) {
        if let Some(task) = self.delays.take() {
            task.abort();
        }
        if let Some(thread) = self.committer.take() {
            self.shared.state.lock().stop = true;
            self.shared.work.notify_one();
            let _ = thread.join();
        }
    }
}
