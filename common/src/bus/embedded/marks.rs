//! The marks that a folder must match: the number of its records, and the sum of their checksums.
//!
//! The sums do not depend on an order, so that records can be replaced and removed. Each commit stores the marks of
//! what it touched, and [`record`](super::record) keeps the newest marks in a second place (D30).

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The checksum of a record.
pub(super) fn checksum(key: &[u8], value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, xxh3_64(key))
}

/// The number of some records, and the sum of their checksums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) sum: u64,
}

impl Tally {
    pub(super) fn add(&mut self, checksum: u64) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(checksum);
    }

    /// The order of additions and removals does not matter.
    pub(super) fn remove(&mut self, checksum: u64) {
        self.count = self.count.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(checksum);
    }
}

/// The mark of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StreamMark {
    pub(super) created_ms: u64,
    /// The last sequence.
    pub(super) last: u64,
    pub(super) entries: Tally,
}

/// The mark of a bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct BucketMark {
    /// The last revision.
    pub(super) last: u64,
    pub(super) keys: Tally,
}

/// The marks of a folder after a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// The number of the commit; 0 before the first one.
    pub(super) commit: u64,
    pub(super) streams: Vec<StreamMark>,
    pub(super) buckets: Vec<BucketMark>,
}

impl Marks {
    /// The marks of an empty folder.
    pub(super) fn empty(streams: usize, buckets: usize, created_ms: u64) -> Self {
        let stream = StreamMark {
            created_ms,
            ..StreamMark::default()
        };
        Self {
            commit: 0,
            streams: vec![stream; streams],
            buckets: vec![BucketMark::default(); buckets],
        }
    }

    /// Whether both are the marks of one commit. A program that knew fewer buckets has stored no marks for the others,
    /// which are the last ones and were empty.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let known = self.buckets.len().min(other.buckets.len());
        let mut unknown = self.buckets[known..].iter().chain(&other.buckets[known..]);
        self.commit == other.commit
            && self.streams == other.streams
            && self.buckets[..known] == other.buckets[..known]
            && unknown.all(|mark| *mark == BucketMark::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_a_program_that_knew_fewer_buckets_agree() {
        let [older, mut newer] = [4, 5].map(|buckets| Marks::empty(2, buckets, 7));
        assert!(older.agrees(&newer) && newer.agrees(&older));
        newer.buckets[4].last = 1;
        assert!(!older.agrees(&newer) && !newer.agrees(&older));
        newer.buckets[4].last = 0;
        newer.buckets[0].last = 1;
        assert!(!older.agrees(&newer));
    }
}
