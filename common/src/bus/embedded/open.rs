//! Making and opening an embedded bus.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::bus::embedded::clock::Clock;
use crate::bus::embedded::disk::Disk;
use crate::bus::embedded::faults::{Fate, Faults};
use crate::bus::embedded::state::{Shared, State};
use crate::bus::embedded::{Embedded, committer};
use crate::bus::error::ConnectError;
use crate::bus::options::BusOptions;

/// Ends the bus with its last handle: all that was taken is written, then the folder is given free.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(super) shared: Arc<Shared>,
    committer: Option<JoinHandle<()>>,
    delays: Option<AbortHandle>,
    /// Locked as long as the folder is open. Dropped after `shared`.
    _lock: Option<File>,
}

impl Drop for Owner {
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

impl Embedded {
    pub(crate) fn in_memory(options: &BusOptions) -> Result<Self, ConnectError> {
        options.check()?;
        let state = State::new(options, Clock::wall(), false);
        let shared = Arc::new(Shared::new(options, state, None));
        Ok(Self::from_owner(Owner {
            shared,
            committer: None,
            delays: None,
            _lock: None,
        }))
    }

    pub(crate) fn simulated(options: &BusOptions, faults: Faults) -> Result<Self, ConnectError> {
        options.check()?;
        let mut state = State::new(options, Clock::virtual_from(faults.start_ms), false);
        state.fate = Some(Fate::new(faults));
        let shared = Arc::new(Shared::new(options, state, None));
        let delays = tokio::spawn(drive_delays(shared.clone())).abort_handle();
        Ok(Self::from_owner(Owner {
            shared,
            committer: None,
            delays: Some(delays),
            _lock: None,
        }))
    }

    pub(crate) async fn open(dir: &Path, options: &BusOptions) -> Result<Self, ConnectError> {
        options.check()?;
        let (dir, options) = (dir.to_owned(), options.clone());
        let failed = ConnectError::Folder {
            dir: dir.clone(),
            cause: std::io::Error::other("opening it was interrupted"),
        };
        let opened = tokio::task::spawn_blocking(move || open_folder(dir, &options)).await;
        opened.unwrap_or(Err(failed)).map(Self::from_owner)
    }

    fn from_owner(owner: Owner) -> Self {
        let id = owner.shared.state.lock().next_id();
        Self::new(Arc::new(owner), id)
    }
}

fn open_folder(dir: PathBuf, options: &BusOptions) -> Result<Owner, ConnectError> {
    let lock = lock(&dir)?;
    let (disk, state) = Disk::open(&dir.join("store"), options)?;
    let shared = Arc::new(Shared::new(options, state, Some(disk)));
    let for_thread = shared.clone();
    let thread = std::thread::Builder::new()
        .name("bus-committer".to_owned())
        .spawn(move || committer::run(&for_thread))
        .map_err(|cause| ConnectError::Folder { dir, cause })?;
    Ok(Owner {
        shared,
        committer: Some(thread),
        delays: None,
        _lock: Some(lock),
    })
}

/// One process at a time (D18).
pub(super) fn lock(dir: &Path) -> Result<File, ConnectError> {
    let failed = |cause| ConnectError::Folder {
        dir: dir.to_owned(),
        cause,
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    let path = dir.join("lock");
    let mut open = OpenOptions::new();
    let file = open
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ConnectError::Locked {
            dir: dir.to_owned(),
        }),
        Err(TryLockError::Error(cause)) => Err(failed(cause)),
    }
}

/// Delivers the messages that faults delay.
async fn drive_delays(shared: Arc<Shared>) {
    loop {
        let due = shared.state.lock().deliver_due(Instant::now());
        match due {
            Some(due) => tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = shared.delays.notified() => {}
            },
            None => shared.delays.notified().await,
        }
    }
}
