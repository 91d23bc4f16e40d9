//! The request for a check, and its progress.

/// The extent of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckRequest {
    /// The number of rooms whose logs are replayed. They are always the same ones of the same rooms.
    pub replays: usize,
}

/// The progress of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckStep {
    /// Rooms are loaded.
    Rooms {
        /// The bucket, from 0.
        bucket: u16,
        /// The number of buckets.
        buckets: u16,
        /// The keys of the bucket that were read.
        done: u64,
        /// The keys of the bucket, as far as is known.
        of: u64,
    },
    /// Logs are replayed.
    Replays {
        /// The rooms whose logs were replayed.
        done: usize,
        /// All that are to be.
        of: usize,
    },
}
