//! Opening a folder that is there, only to look at it.

use std::path::Path;
use std::time::Duration;

use crate::bus::embedded::disk::Disk;
use crate::bus::embedded::open;
use crate::bus::embedded::store::StoreHandle;
use crate::bus::error::ConnectError;
use crate::bus::options::BusOptions;

/// Nothing is removed for its age.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The folder's store, with the numbers that it was made with.
pub(super) async fn folder(dir: &Path, options: &BusOptions) -> Result<StoreHandle, ConnectError> {
    let (at, mut options) = (dir.to_owned(), options.clone());
    let layout = tokio::task::spawn_blocking(move || layout(&at));
    let failed = |_| ConnectError::Folder {
        dir: dir.to_owned(),
        cause: std::io::Error::other("opening it was interrupted"),
    };
    (options.streams, options.partitions) = layout.await.map_err(failed)??;
    options.log_max_age = FOR_EVER;
    open::folder(dir, &options).await
}

/// A folder's streams and partitions.
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
