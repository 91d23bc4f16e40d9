//! Creates and opens the store of an embedded bus.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::Instant;

use crate::bus::connect_error::{ConnectError, StoreFailure};
use crate::bus::embedded::accept;
use crate::bus::embedded::clock::Clock;
use crate::bus::embedded::committer;
use crate::bus::embedded::contents::Contents;
use crate::bus::embedded::disk::Disk;
use crate::bus::embedded::examine::{self, Examination, Examined, STORE};
use crate::bus::embedded::faults::{FaultState, Faults};
use crate::bus::embedded::marks::Marks;
use crate::bus::embedded::record::{Copies, Record};
use crate::bus::embedded::state::State;
use crate::bus::embedded::store::{Shared, StoreHandle};
use crate::bus::options::BusOptions;
use crate::clock::unix_ms;

/// The folder of the working copy in the data folder.
const CHECK: &str = "check";

pub(super) fn in_memory(options: &BusOptions) -> Result<StoreHandle, ConnectError> {
    options.check()?;
    let state = State::new(options, Clock::from(unix_ms()), false);
    Ok(StoreHandle::new(Shared::new(options, state, None)))
}

/// A store in memory with tokio's clock and a plan of faults.
pub(super) fn simulated(options: &BusOptions, faults: Faults) -> Result<StoreHandle, ConnectError> {
    options.check()?;
    let mut state = State::new(options, Clock::from(faults.start_ms), false);
    state.faults = Some(FaultState::new(faults));
    let mut store = StoreHandle::new(Shared::new(options, state, None));
    let delaying = drive_delays(store.shared.clone());
    store.delays = Some(options.supervisor.keep("bus-delays", delaying));
    Ok(store)
}

/// A store that keeps its log and buckets in the folder `dir`.
pub(super) async fn folder(dir: &Path, options: &BusOptions) -> Result<StoreHandle, ConnectError> {
    options.check()?;
    let at = dir.to_owned();
    let options = options.clone();
    let opened = tokio::task::spawn_blocking(move || open_folder(&at, &options, unix_ms()));
    let interrupted = |_| Err(interrupted(dir));
    opened.await.unwrap_or_else(interrupted)
}

/// The error of a task that did not end.
pub(super) fn interrupted(dir: &Path) -> ConnectError {
    let cause = io::Error::other("opening it was interrupted");
    ConnectError::folder(dir, cause)
}

/// Opens `dir`; `wall_ms` is the time of a new folder.
pub(super) fn open_folder(
    dir: &Path,
    options: &BusOptions,
    wall_ms: u64,
) -> Result<StoreHandle, ConnectError> {
    let lock = lock(dir)?;
    let mut options = options.clone();
    let opened = match examine(dir, &options)? {
        Some(found) => {
            if options.layout() != found.options.layout() {
                let partitions = found.options.partitions;
                let configured = options.partitions;
                tracing::info!(partitions, configured, "the folder keeps its partitions");
            }
            options = found.options.clone();
            open(dir, &options, found)?
        }
        None => create(dir, &options, wall_ms)?,
    };
    let Opened {
        disk,
        marks,
        record,
        state,
    } = opened;
    let mut store = StoreHandle::new(Shared::new(&options, state, Some((dir.to_owned(), disk))));
    let ledger = committer::Ledger { marks, record };
    let for_thread = store.shared.clone();
    let supervisor = &options.supervisor;
    let thread = supervisor
        .thread("bus-committer", move || committer::run(&for_thread, ledger))
        .map_err(|cause| ConnectError::folder(dir, cause))?;
    store.committer = Some(thread);
    store.lock = Some(lock);
    Ok(store)
}

/// An open folder.
struct Opened {
    disk: Disk,
    marks: Marks,
    record: Record,
    state: State,
}

/// Examines the folder; `None` if it is new. With `accept_loss`, a damaged one is replaced by what can be read of it.
fn examine(dir: &Path, options: &BusOptions) -> Result<Option<Examined>, ConnectError> {
    let failed = |cause| ConnectError::folder(dir, cause);
    accept::finish(dir).map_err(failed)?;
    let store = dir.join(STORE);
    let copy_at = dir.join(CHECK);
    let examination = Examination {
        dir,
        options,
        copy_at: &copy_at,
    };
    for accepted in [false, true] {
        let record = Copies::read(dir).map_err(failed)?;
        let newest = record.newest.as_ref();
        // A crash while it was created. Nothing was ever acked.
        let is_unfinished = newest.is_some_and(|copy| copy.marks.commit == 0);
        for (path, is_removed) in [(&store, is_unfinished), (&copy_at, true)] {
            if is_removed && path.exists() {
                std::fs::remove_dir_all(path).map_err(failed)?;
            }
        }
        if is_unfinished || !record.exist && !store.exists() {
            return Ok(None);
        }
        let found = match examination.examine(record) {
            // A disk that is nearly full can still be read.
            Err(ConnectError::Disk(StoreFailure::Full { .. })) => {
                let name = format!("grandstand-check-{}", std::process::id());
                let elsewhere = std::env::temp_dir().join(name);
                let examination = Examination {
                    copy_at: &elsewhere,
                    ..examination
                };
                examination.examine(Copies::read(dir).map_err(failed)?)?
            }
            found => found?,
        };
        if !found.report.has_faults() {
            return Ok(Some(found));
        }
        let what = found.report.faults();
        let lost = found.report.losses();
        if !options.accept_loss || accepted {
            let dir = dir.to_owned();
            return Err(ConnectError::Damaged { dir, what, lost });
        }
        let kept = accept::accept(dir, &found, now_ms(&found));
        let kept = kept.map_err(|cause| ConnectError::store(dir, cause))?;
        let kept = kept.display();
        tracing::warn!(%what, %lost, %kept, "the folder was damaged; the process continues without the lost data");
    }
    Ok(None)
}

/// The time of the log in a folder. It stops while no process runs.
pub(super) fn now_ms(found: &Examined) -> u64 {
    let copy = found.record.newest.as_ref();
    let recorded_ms = copy.map_or(0, |copy| copy.time_ms);
    recorded_ms.max(found.contents.latest_ms)
}

fn create(dir: &Path, options: &BusOptions, wall_ms: u64) -> Result<Opened, ConnectError> {
    let state = State::new(options, Clock::from(wall_ms), true);
    let mut marks = Marks::empty(state.log.streams.len(), state.buckets.len(), wall_ms);
    let failed = |cause| ConnectError::folder(dir, cause);
    let store_failed = |cause| ConnectError::store(dir, cause);
    Record::create(dir, &marks, wall_ms).map_err(failed)?;
    let disk = Disk::open(&dir.join(STORE), 2).map_err(store_failed)?;
    let disk = disk.arranged(options);
    marks.commit = 1;
    disk.begin(&marks, options.partitions)
        .map_err(store_failed)?;
    let record = Record::open(dir, None, &marks, wall_ms).map_err(failed)?;
    Ok(Opened {
        disk,
        marks,
        record,
        state,
    })
}

fn open(dir: &Path, options: &BusOptions, found: Examined) -> Result<Opened, ConnectError> {
    let failed = |cause| ConnectError::folder(dir, cause);
    let store_failed = |cause| ConnectError::store(dir, cause);
    let now_ms = now_ms(&found);
    let Examined {
        contents,
        record,
        unfinished,
        disk,
        copy,
        ..
    } = found;
    drop((disk, copy));
    examine::cut(&unfinished).map_err(failed)?;
    let store = dir.join(STORE);
    let mut make_lock = OpenOptions::new();
    let make_lock = make_lock.create(true).truncate(false).write(true);
    make_lock.open(store.join("lock")).map_err(failed)?;
    let disk = Disk::open(&store, 2).map_err(store_failed)?;
    let disk = disk.arranged(options);
    let marks = match &contents.marks {
        Some(marks) => marks.clone(),
        None => {
            tracing::info!(folder = %dir.display(), "counting the records of a folder of an older version");
            let marks = contents.tallied(1, now_ms);
            // A crash in between leaves a record that fits, and a store that is still without marks.
            Record::create(dir, &marks, now_ms).map_err(failed)?;
            disk.begin(&marks, options.partitions)
                .map_err(store_failed)?;
            marks
        }
    };
    for broken in &record.broken {
        if record.exist {
            let file = dir.join(broken);
            tracing::warn!(file = %file.display(), "a copy of the record was damaged; it is written again");
        }
    }
    let record = Record::open(dir, record.newest.as_ref(), &marks, now_ms).map_err(failed)?;
    let state = restore(contents, &marks, options, now_ms);
    Ok(Opened {
        disk,
        marks,
        record,
        state,
    })
}

/// The state of a folder with these contents.
pub(super) fn restore(
    contents: Contents,
    marks: &Marks,
    options: &BusOptions,
    now_ms: u64,
) -> State {
    let mut state = State::new(options, Clock::from(now_ms), true);
    for (i, (stream, mark)) in contents.streams.into_iter().zip(&marks.streams).enumerate() {
        let first = stream.found.first().copied().unwrap_or(mark.last + 1);
        state.log.restore(i, first, mark.last, mark.created_ms);
    }
    for (i, (bucket, mark)) in contents.buckets.into_iter().zip(&marks.buckets).enumerate() {
        let kv = &mut state.buckets[i];
        (kv.last, kv.visible) = (mark.last, mark.last);
        for (key, record) in bucket.records {
            kv.insert(key, record);
        }
    }
    state
}

/// Locks the folder: one process at a time (D18).
pub(super) fn lock(dir: &Path) -> Result<File, ConnectError> {
    let failed = |cause| ConnectError::folder(dir, cause);
    std::fs::create_dir_all(dir).map_err(failed)?;
    let mut open = OpenOptions::new();
    let file = open.create(true).truncate(false).write(true);
    let file = file.open(dir.join(LOCK)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(locked(dir)),
        Err(TryLockError::Error(cause)) => Err(failed(cause)),
    }
}

/// The file that a process locks as long as it uses the folder.
pub(super) const LOCK: &str = "lock";

/// The error of a folder that another process uses.
pub(super) fn locked(dir: &Path) -> ConnectError {
    ConnectError::Locked {
        dir: PathBuf::from(dir),
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
