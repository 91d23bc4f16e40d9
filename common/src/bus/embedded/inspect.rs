//! Opens an existing folder to inspect it, without changing a byte of it (D30).

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::bus::connect_error::ConnectError;
use crate::bus::embedded::accept;
use crate::bus::embedded::contents::Contents;
use crate::bus::embedded::disk::Disk;
use crate::bus::embedded::examine::{Examination, Examined, STORE};
use crate::bus::embedded::open;
use crate::bus::embedded::record::Copies;
use crate::bus::embedded::report::Report;
use crate::bus::embedded::store::{Shared, StoreHandle};
use crate::bus::options::BusOptions;

/// Keeps entries of any age.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Opens a working copy of the folder's store with the numbers that it was created with. With `accept_loss`, a damaged
/// one shows what can be read of it.
pub(super) async fn folder(dir: &Path, options: &BusOptions) -> Result<StoreHandle, ConnectError> {
    let at = dir.to_owned();
    let mut options = options.clone();
    options.log_max_age = FOREVER;
    let opened = tokio::task::spawn_blocking(move || look(&at, &options));
    let interrupted = |_| Err(open::interrupted(dir));
    opened.await.unwrap_or_else(interrupted)
}

fn look(dir: &Path, options: &BusOptions) -> Result<StoreHandle, ConnectError> {
    let failed = |cause| ConnectError::folder(dir, cause);
    let record = Copies::read(dir).map_err(failed)?;
    let is_unfinished = record
        .newest
        .as_ref()
        .is_some_and(|copy| copy.marks.commit == 0);
    if is_unfinished || !record.exist && !dir.join(STORE).is_dir() {
        let place = dir.display().to_string();
        return Err(ConnectError::NothingThere { place });
    }
    let lock = lock(dir)?;
    let here = std::env::temp_dir();
    let copy = tempfile::Builder::new().prefix("grandstand-").tempdir();
    let copy = copy.map_err(|cause| ConnectError::folder(&here, cause))?;
    let copy_at = copy.path().join(STORE);
    let examination = Examination {
        dir,
        options,
        copy_at: &copy_at,
    };
    let mut found = examination.examine(record)?;
    if found.report.has_faults() {
        let what = found.report.faults();
        let lost = found.report.losses();
        if !options.accept_loss {
            let dir = dir.to_owned();
            return Err(ConnectError::Damaged { dir, what, lost });
        }
        tracing::warn!(%what, %lost, "the folder is damaged; only its readable part is shown");
        rebuild(&mut found, &copy.path().join("rebuilt"))
            .map_err(|cause| ConnectError::store(copy.path(), cause))?;
    }
    let now_ms = open::now_ms(&found);
    let Examined {
        contents,
        options,
        disk,
        copy: store,
        ..
    } = found;
    let marks = contents.marks.clone();
    let marks = marks.unwrap_or_else(|| contents.tallied(0, now_ms));
    let mut state = open::restore(contents, &marks, &options, now_ms);
    state.read_only = true;
    let disk = disk.map(|disk| (dir.to_owned(), disk));
    let mut handle = StoreHandle::new(Shared::new(&options, state, disk));
    handle.copies = Some((store, copy));
    handle.lock = lock;
    Ok(handle)
}

/// Puts what can be read of a damaged store into another one.
fn rebuild(found: &mut Examined, into: &Path) -> fjall::Result<()> {
    accept::rebuild(found, into, open::now_ms(found))?;
    let disk = Disk::open(into, 0)?.arranged(&found.options);
    found.contents = Contents::read(&disk, &found.options, &mut Report::default());
    found.disk = Some(disk);
    Ok(())
}

/// Shares the folder's lock, if there is one, so that no process opens it meanwhile.
fn lock(dir: &Path) -> Result<Option<File>, ConnectError> {
    let failed = |cause| ConnectError::folder(dir, cause);
    let file = match File::open(dir.join(open::LOCK)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(open::locked(dir)),
        Err(TryLockError::Error(cause)) => Err(failed(cause)),
    }
}
