//! The stored part of a bus: log and keys, with sequence numbers and revisions as NATS assigns them.

use std::collections::BTreeMap;

use grandstand_common::bus::{Bucket, KvEntry, LogEntry};
use grandstand_common::subject;

/// The state that survives all faults.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) log: Vec<LogEntry>,
    /// The partition of each entry. The subjects are not parsed at each read, which took most of the simulation's time.
    partitions: Vec<Option<u16>>,
    pub(crate) keys: BTreeMap<(String, String), KvEntry>,
    revision: u64,
}

fn name(bucket: Bucket) -> String {
    match bucket {
        Bucket::Rooms(_) => "rooms".to_owned(),
        other => format!("{other:?}"),
    }
}

impl Store {
    /// Appends an entry and returns its sequence number.
    pub(crate) fn append(&mut self, subject: String, payload: bytes::Bytes, time_ms: u64) -> u64 {
        let seq = self.log.len() as u64 + 1;
        let last = self.log.last().map_or(0, |e| e.time_ms);
        let partition = subject::parse_log(&subject).map(|(partition, _)| partition.0);
        self.partitions.push(partition);
        self.log.push(LogEntry {
            seq,
            time_ms: time_ms.max(last),
            subject,
            payload,
        });
        seq
    }

    /// The entries of a partition, beginning with `from`.
    pub(crate) fn read(&self, partition: u16, from: u64) -> Vec<LogEntry> {
        let start = (from.max(1) as usize - 1).min(self.log.len());
        let new = self.log[start..].iter().zip(&self.partitions[start..]);
        let ours = new.filter(|(_, owner)| **owner == Some(partition));
        ours.map(|(entry, _)| entry.clone()).collect()
    }

    /// A key's state.
    pub(crate) fn get(&self, bucket: Bucket, key: &str) -> Option<KvEntry> {
        self.keys.get(&(name(bucket), key.to_owned())).cloned()
    }

    /// Writes the key if it has the expected revision.
    pub(crate) fn put(
        &mut self,
        bucket: Bucket,
        key: &str,
        value: Option<bytes::Bytes>,
        expected: u64,
    ) -> Option<u64> {
        let found = self.get(bucket, key).map_or(0, |e| e.revision);
        if found != expected {
            return None;
        }
        self.revision += 1;
        let entry = KvEntry {
            key: key.to_owned(),
            value,
            revision: self.revision,
            time_ms: 0,
        };
        self.keys.insert((name(bucket), key.to_owned()), entry);
        Some(self.revision)
    }

    /// The keys of a bucket that begin with `prefix`, by revision.
    pub(crate) fn list(&self, bucket: Bucket, prefix: &str) -> Vec<KvEntry> {
        let bucket = name(bucket);
        let mut all: Vec<_> = self
            .keys
            .iter()
            .filter(|((b, key), _)| *b == bucket && key.starts_with(prefix))
            .map(|(_, entry)| entry.clone())
            .collect();
        all.sort_by_key(|e| e.revision);
        all
    }
}
