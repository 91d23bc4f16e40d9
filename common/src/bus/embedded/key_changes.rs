//! The changes of keys in one commit: their records, and which of several changes of a key is the last one.

use std::collections::HashSet;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::bus::embedded::format::numbers;
use crate::bus::embedded::kv::{KeyRecord, Value};
use crate::bus::embedded::marks::{BucketMark, checksum};
use crate::bus::embedded::state::KeyChange;

/// Encodes the record of a key in `index`. The value must be in memory.
pub(super) fn index_record(record: &KeyRecord) -> Vec<u8> {
    let of_value = match &record.value {
        Value::InMemory(value) => xxh3_64(value),
        Value::Marker | Value::OnDisk => 0,
    };
    numbers([record.revision, record.time_ms, record.expires_ms, of_value])
}

/// Returns the checksum of the record that a change replaces. If it is not stored yet, its value is still in memory.
pub(super) fn replaced_checksum(key: &[u8], change: &KeyChange) -> Option<u64> {
    let before = change.before.as_ref()?;
    Some(match before.checksum {
        0 => checksum(key, &index_record(before)),
        stored => stored,
    })
}

/// The changes of a commit that were visited, from the last to the first. It knows without a table of all keys which
/// earlier changes they overtake, because each change names the record that it replaces.
pub(super) struct LaterChanges {
    /// The last stored revision of each bucket.
    stored: Vec<u64>,
    /// The revisions of this commit that a later change replaces.
    replaced: HashSet<(usize, u64)>,
    /// The keys that a later change creates; empty if the commit removes none.
    created: HashSet<(usize, Arc<str>)>,
    removes: bool,
}

impl LaterChanges {
    /// `stored` are the marks before the commit; `removes` says whether the commit removes keys.
    pub(super) fn new(stored: &[BucketMark], removes: bool) -> Self {
        Self {
            stored: stored.iter().map(|mark| mark.last).collect(),
            replaced: HashSet::new(),
            created: HashSet::new(),
            removes,
        }
    }

    /// Visits a put, and returns whether a later change overtakes it.
    pub(super) fn overtakes_put(&mut self, change: &KeyChange, record: &KeyRecord) -> bool {
        self.visit(change);
        if self.removes && change.before.is_none() {
            self.created.insert((change.bucket, change.key.clone()));
        }
        !self.replaced.is_empty() && self.replaced.contains(&(change.bucket, record.revision))
    }

    /// Visits a removal, and returns whether a later change overtakes it.
    pub(super) fn overtakes_removal(&mut self, change: &KeyChange) -> bool {
        self.visit(change);
        !self.created.is_empty() && self.created.contains(&(change.bucket, change.key.clone()))
    }

    fn visit(&mut self, change: &KeyChange) {
        if let Some(before) = &change.before
            && before.revision > self.stored[change.bucket]
        {
            self.replaced.insert((change.bucket, before.revision));
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn record(revision: u64, checksum: u64) -> KeyRecord {
        KeyRecord {
            revision,
            time_ms: 5,
            value: Value::InMemory(Bytes::from_static(b"v")),
            expires_ms: 0,
            checksum,
        }
    }

    fn change(before: Option<KeyRecord>) -> KeyChange {
        KeyChange {
            bucket: 0,
            key: "a".into(),
            before,
        }
    }

    fn later(stored: u64) -> LaterChanges {
        let mark = BucketMark {
            last: stored,
            ..BucketMark::default()
        };
        LaterChanges::new(&[mark], true)
    }

    #[test]
    fn the_last_of_several_puts_of_a_key_is_written() {
        let mut later = later(3);
        assert!(!later.overtakes_put(&change(Some(record(4, 0))), &record(5, 0)));
        assert!(later.overtakes_put(&change(Some(record(3, 9))), &record(4, 0)));
    }

    #[test]
    fn a_key_that_is_removed_and_created_again_is_not_removed() {
        let mut later = later(3);
        assert!(!later.overtakes_put(&change(None), &record(4, 0)));
        assert!(later.overtakes_removal(&change(Some(record(3, 9)))));
    }

    #[test]
    fn a_marker_that_is_written_and_removed_in_one_commit_is_removed() {
        let mut later = later(3);
        assert!(!later.overtakes_removal(&change(Some(record(4, 0)))));
        assert!(later.overtakes_put(&change(Some(record(3, 9))), &record(4, 0)));
    }

    #[test]
    fn the_checksum_of_a_record_is_the_same_before_and_after_it_is_stored() {
        let unstored = record(4, 0);
        let sum = checksum(b"k", &index_record(&unstored));
        assert_eq!(replaced_checksum(b"k", &change(Some(unstored))), Some(sum));
        assert_eq!(
            replaced_checksum(b"k", &change(Some(record(4, sum)))),
            Some(sum)
        );
        assert_eq!(replaced_checksum(b"k", &change(None)), None);
    }
}
