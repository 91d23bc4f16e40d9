//! Rendezvous hashing: assigns partitions to workers so that a new or lost worker moves only its own share.

use grandstand_common::id::{Partition, WorkerId};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The living worker that should own a partition; `None` if no worker is alive.
pub(super) fn owner<'a>(
    partition: Partition,
    living: impl Iterator<Item = &'a WorkerId>,
) -> Option<&'a WorkerId> {
    living.max_by_key(|worker| {
        let weight = xxh3_64_with_seed(worker.as_str().as_bytes(), u64::from(partition.0));
        (weight, *worker)
    })
}
