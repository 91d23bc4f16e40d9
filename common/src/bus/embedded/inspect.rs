//! Opens an existing folder to inspect it.

use std::path::Path;
use std::time::Duration;

use crate::bus::embedded::disk::Disk;
use crate::bus::embedded::open;
use crate::bus::embedded::store::StoreHandle;
use crate::bus::error::ConnectError;
use crate::bus::options::BusOptions;

/// Keeps entries of any age.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Opens the folder's store with the numbers that it was created with.
pub(super) async fn folder(dir: &Path, options: &BusOptions) -> Result<StoreHandle, ConnectError> {
    let (at, mut options) = (dir.to_owned(), options.clone());
    let layout = tokio::task::spawn_blocking(move || layout(&at));
    let failed = |_| ConnectError::Folder {
        dir: dir.to_owned(),
        cause: std::io::Error::other("opening it was interrupted"),
    };
    (options.streams, options.partitions) = layout.await.map_err(failed)??;
    options.log_max_age = FOREVER;
    open::folder(dir, &options).await
}

/// The folder's numbers of streams and partitions.
fn layout(dir: &Path) -> Result<(u16, u16), ConnectError> {
    let none = || ConnectError::NothingThere {
        place: dir.display().to_string(),
    };
    let store = dir.join("store");
    if !store.is_dir() {
        return Err(none());
    }
    let _lock = open::lock(dir)?;
    let layout = Disk::layout(&store).map_err(|cause| ConnectError::Store {
        dir: dir.to_owned(),
        cause: Box::new(cause),
    })?;
    layout.ok_or_else(none)
}
