//! The store that all clients of an embedded bus share, and the handle that ends it.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

// Shared by all threads that use the bus and by the committer; held for one operation.
use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::AbortHandle;

use crate::bus::connect_error::StoreFailure;
use crate::bus::embedded::copy::CopyFolder;
use crate::bus::embedded::disk::Disk;
use crate::bus::embedded::format::DiskError;
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
    /// The data folder, for messages.
    dir: PathBuf,
    /// The reason why the disk failed, once it has.
    failure: watch::Sender<Option<StoreFailure>>,
}

impl Shared {
    pub(super) fn new(options: &BusOptions, state: State, disk: Option<(PathBuf, Disk)>) -> Self {
        let (dir, disk) = disk.unzip();
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            delays: Notify::new(),
            permits: Arc::new(Semaphore::new(MAX_QUEUED)),
            disk,
            options: options.clone(),
            dir: dir.unwrap_or_default(),
            failure: watch::Sender::new(None),
        }
    }

    /// The place of a bucket.
    pub(super) fn bucket(&self, bucket: Bucket) -> usize {
        bucket_index(&self.options, bucket)
    }

    /// Refuses all further writes, because the disk failed. Writers that wait for an ack learn that the outcome is unknown.
    pub(super) fn fail(&self, state: &mut State, error: &DiskError) {
        if state.failed {
            return;
        }
        let dir = &self.dir;
        let failure = match error {
            DiskError::Store(error) => StoreFailure::store(dir, error),
            DiskError::Record(error) => StoreFailure::disk(dir, error),
            DiskError::Damaged(damaged) => StoreFailure::Damaged {
                dir: dir.clone(),
                what: damaged.to_string(),
            },
        };
        tracing::error!(%failure, "the bus accepts nothing more");
        state.fail();
        self.failure.send_replace(Some(failure));
    }

    /// The reason why the disk failed, once it has.
    pub(super) fn failure(&self) -> watch::Receiver<Option<StoreFailure>> {
        self.failure.subscribe()
    }
}

/// Ends the bus with its last handle: writes everything accepted, then unlocks the folder.
#[derive(Debug)]
pub(crate) struct StoreHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) committer: Option<JoinHandle<()>>,
    pub(super) delays: Option<AbortHandle>,
    /// The working copies of a folder that is inspected. Dropped after `shared`.
    pub(super) copies: Option<(Option<CopyFolder>, TempDir)>,
    /// Locked while the folder is open. Dropped after `shared`.
    pub(super) lock: Option<File>,
}

impl StoreHandle {
    pub(super) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
            committer: None,
            delays: None,
            copies: None,
            lock: None,
        }
    }
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
