//! Who should own what: rendezvous hashing, so that a worker that comes or goes moves only its own share.

use grandstand_common::id::{Partition, WorkerId};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Which of the living workers should own a partition; `None` if there is none.
pub(super) fn owner<'a>(
    partition: Partition,
    living: impl Iterator<Item = &'a WorkerId>,
) -> Option<&'a WorkerId> {
    living.max_by_key(|worker| {
        let weight = xxh3_64_with_seed(worker.as_str().as_bytes(), u64::from(partition.0));
        (weight, *worker)
    })
}
