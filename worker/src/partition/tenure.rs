//! The ownership of a partition.

use grandstand_common::bus::{Bucket, KvEntry};
use grandstand_common::id::{Epoch, Partition};
use grandstand_common::subject;

/// A partition that this worker owns, and the epoch under which it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tenure {
    pub(super) id: Partition,
    pub(super) epoch: Epoch,
}

impl Tenure {
    /// Returns the bucket and key of the partition's checkpoint.
    pub(super) fn checkpoint_key(self) -> (Bucket, String) {
        (Bucket::Rooms(self.id), subject::checkpoint_key(self.id))
    }

    /// The epoch of the later owner that wrote this value, if one did.
    pub(super) fn superseded_by(self, entry: Option<&KvEntry>) -> Option<Epoch> {
        #[derive(serde::Deserialize)]
        struct Epoched {
            epoch: Epoch,
        }
        let value = entry.and_then(|entry| entry.value.as_ref());
        let epoched = value.and_then(|value| serde_json::from_slice::<Epoched>(value).ok());
        let later = epoched.map(|stored| stored.epoch);
        later.filter(|later| *later > self.epoch)
    }
}
