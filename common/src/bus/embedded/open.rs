//! Creates and opens the store of an embedded bus.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::Instant;

use crate::bus::embedded::clock::Clock;
use crate::bus::embedded::committer;
use crate::bus::embedded::disk::Disk;
use crate::bus::embedded::faults::{FaultState, Faults};
use crate::bus::embedded::state::State;
use crate::bus::embedded::store::{Shared, StoreHandle};
use crate::bus::error::ConnectError;
use crate::bus::options::BusOptions;

/// A store in memory.
pub(super) fn in_memory(options: &BusOptions) -> Result<StoreHandle, ConnectError> {
    options.check()?;
    let state = State::new(options, Clock::wall(), false);
    Ok(StoreHandle {
        shared: Arc::new(Shared::new(options, state, None)),
        committer: None,
        delays: None,
        _lock: None,
    })
}

/// A store in memory with tokio's clock and a plan of faults.
pub(super) fn simulated(options: &BusOptions, faults: Faults) -> Result<StoreHandle, ConnectError> {
    options.check()?;
    let mut state = State::new(options, Clock::virtual_from(faults.start_ms), false);
    state.faults = Some(FaultState::new(faults));
    let shared = Arc::new(Shared::new(options, state, None));
    let delays = tokio::spawn(drive_delays(shared.clone())).abort_handle();
    Ok(StoreHandle {
        shared,
        committer: None,
        delays: Some(delays),
        _lock: None,
    })
}

/// A store that keeps its log and buckets in the folder `dir`.
pub(super) async fn folder(dir: &Path, options: &BusOptions) -> Result<StoreHandle, ConnectError> {
    options.check()?;
    let (dir, options) = (dir.to_owned(), options.clone());
    let failed = ConnectError::Folder {
        dir: dir.clone(),
        cause: std::io::Error::other("opening it was interrupted"),
    };
    let opened = tokio::task::spawn_blocking(move || open_folder(dir, &options)).await;
    opened.unwrap_or(Err(failed))
}

fn open_folder(dir: PathBuf, options: &BusOptions) -> Result<StoreHandle, ConnectError> {
    let lock = lock(&dir)?;
    let (disk, state) = Disk::open(&dir.join("store"), options)?;
    let shared = Arc::new(Shared::new(options, state, Some(disk)));
    let for_thread = shared.clone();
    let thread = std::thread::Builder::new()
        .name("bus-committer".to_owned())
        .spawn(move || committer::run(&for_thread))
        .map_err(|cause| ConnectError::Folder { dir, cause })?;
    Ok(StoreHandle {
        shared,
        committer: Some(thread),
        delays: None,
        _lock: Some(lock),
    })
}

/// Locks the folder: one process at a time (D18).
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

/// Delivers messages that faults delay.
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
