//! The state of a run.

use std::time::Duration;

/// The pause between two looks at the leases.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The state of a run, to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Waiting until workers have released their partitions.
    Releasing {
        /// The partitions that have a worker.
        left: usize,
        /// All partitions.
        of: usize,
        /// One of the workers.
        holder: Option<String>,
    },
    /// Copying rooms.
    Rooms {
        /// The bucket, from 0.
        bucket: u16,
        /// The number of buckets.
        buckets: u16,
        /// The keys of the bucket that are copied.
        done: u64,
        /// The keys of the bucket.
        of: u64,
    },
    /// Copying the entries that no snapshot covers.
    Log {
        /// The partitions that are done.
        done: usize,
        /// All partitions.
        of: usize,
    },
    /// Waiting for the first owners of the next layout.
    Owners {
        /// The partitions that have one.
        done: usize,
        /// All partitions.
        of: usize,
    },
    /// Waiting until the copies are certainly on the disks of NATS.
    Keeping {
        /// The seconds left.
        left_s: u64,
    },
    /// Deleting the streams of the former layout.
    Deleting,
}

/// Shows the state of a run.
pub type Tell<'a> = &'a mut dyn FnMut(&Step);
