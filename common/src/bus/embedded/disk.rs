//! The folder's keyspaces, and what is written to them.
//!
//! | keyspace | key | value |
//! | --- | --- | --- |
//! | `log` | partition (2), sequence (8) | time (8), subject's length (2), subject, payload |
//! | `index` | bucket (`=out` for what games emit), 0, key | revision (8), time (8), when it expires or 0 (8), the value's checksum or 0 for a marker (8) |
//! | `value` | bucket, 0, key | the value |
//! | `meta` | `layout` | streams (8), partitions (8) |
//! | `meta` | `commit` | the number of the last commit (8) |
//! | `meta` | `stream.{k}` | created (8), last sequence (8), number of entries (8), sum of their checksums (8) |
//! | `meta` | `bucket.{name}` | last revision (8), number of keys (8), sum of the checksums of their `index` (8) |
//!
//! Numbers are big endian. In folders of older versions `index` has no checksum, and `meta` has no counts and no commit.

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use grandstand_types::id::Partition;

use crate::bus::embedded::format::{
    COMMIT, Damaged, DiskError, LAYOUT, NO_ENTRY, decode_entry, encode_entry, log_key, number,
    numbers, parse_log_key,
};
use crate::bus::embedded::key_changes::{LaterChanges, index_record, replaced_checksum};
use crate::bus::embedded::kv::Value;
use crate::bus::embedded::marks::{Marks, checksum};
use crate::bus::embedded::state::{PendingWrite, StoreChange, table_names};
use crate::bus::options::BusOptions;
use crate::bus::types::LogEntry;

const CACHE_BYTES: u64 = 64 << 20;
const JOURNAL_BYTES: u64 = 256 << 20;
/// The most entries that one commit removes.
const MAX_REMOVED: usize = 16 * 1024;
/// The names of the keyspaces.
const KEYSPACES: [&str; 4] = ["log", "index", "value", "meta"];

/// An open folder.
pub(super) struct Disk {
    db: Database,
    log: Keyspace,
    index: Keyspace,
    value: Keyspace,
    meta: Keyspace,
    made: Vec<&'static str>,
    buckets: Vec<String>,
    streams: u16,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Disk")
    }
}

/// The last sequence of each stream and the last revision of each bucket that some changes persist.
#[derive(Debug, Default)]
pub(super) struct Persisted {
    pub(super) streams: HashMap<usize, u64>,
    pub(super) buckets: HashMap<usize, u64>,
}

impl Persisted {
    pub(super) fn by(ops: &[PendingWrite], streams: usize) -> Self {
        let mut persisted = Self::default();
        for op in ops {
            match &op.change {
                StoreChange::Append(partition, entry) => {
                    let stream = usize::from(partition.0) % streams;
                    persisted.streams.insert(stream, entry.seq);
                }
                StoreChange::Put(change, record) => {
                    persisted.buckets.insert(change.bucket, record.revision);
                }
                StoreChange::Remove(_) => {}
            }
        }
        persisted
    }
}

impl Disk {
    /// Opens the store in `dir`, or creates it. With `threads` 0 it is for reading only.
    pub(super) fn open(dir: &Path, threads: usize) -> fjall::Result<Self> {
        let db = Database::builder(dir)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads_unchecked(threads)
            .manual_journal_persist(true)
            .open()?;
        let made = KEYSPACES.into_iter();
        let made = made.filter(|name| !db.keyspace_exists(name)).collect();
        let keyspace = |name| db.keyspace(name, KeyspaceCreateOptions::default);
        Ok(Self {
            log: keyspace("log")?,
            index: keyspace("index")?,
            value: keyspace("value")?,
            meta: keyspace("meta")?,
            made,
            buckets: Vec::new(),
            streams: 1,
            db,
        })
    }

    /// Sets the streams and buckets.
    pub(super) fn arranged(mut self, options: &BusOptions) -> Self {
        self.buckets = table_names(options);
        self.streams = options.streams;
        self
    }

    /// The keyspaces that were missing and have been created.
    pub(super) fn made(&self) -> &[&'static str] {
        &self.made
    }

    /// The numbers of streams and partitions that it was created with.
    pub(super) fn layout(&self) -> fjall::Result<Option<(u64, u64)>> {
        let found = self.meta.get(LAYOUT)?;
        Ok(found.and_then(|found| number(&found, 0).zip(number(&found, 1))))
    }

    pub(super) fn log(&self) -> &Keyspace {
        &self.log
    }

    pub(super) fn index(&self) -> &Keyspace {
        &self.index
    }

    pub(super) fn values(&self) -> &Keyspace {
        &self.value
    }

    pub(super) fn meta(&self) -> &Keyspace {
        &self.meta
    }

    pub(super) fn stream_of(&self, partition: Partition) -> usize {
        usize::from(partition.0 % self.streams)
    }

    /// The name of a bucket's mark in `meta`.
    pub(super) fn bucket_mark(&self, bucket: usize) -> String {
        format!("bucket.{}", self.buckets[bucket])
    }

    /// The key of a bucket's key in `index` and `value`.
    pub(super) fn bucket_key(&self, bucket: usize, key: &str) -> Vec<u8> {
        let mut bytes = self.buckets[bucket].clone().into_bytes();
        bytes.push(0);
        bytes.extend(key.as_bytes());
        bytes
    }

    /// Writes the numbers of streams and partitions, and all marks, durably.
    pub(super) fn begin(&self, marks: &Marks, partitions: u16) -> fjall::Result<()> {
        let mut batch = self.batch();
        let layout = numbers([u64::from(self.streams), u64::from(partitions)]);
        batch.insert(&self.meta, LAYOUT, layout);
        for stream in 0..marks.streams.len() {
            self.mark_stream(&mut batch, marks, stream);
        }
        for bucket in 0..marks.buckets.len() {
            self.mark_bucket(&mut batch, marks, bucket);
        }
        batch.insert(&self.meta, COMMIT, numbers([marks.commit]));
        batch.commit()
    }

    /// A batch that is durable once it is committed. A batch is written only when the previous one is durable. A batch
    /// after a broken one therefore proves that no crash broke it.
    fn batch(&self) -> OwnedWriteBatch {
        self.db.batch().durability(Some(PersistMode::SyncAll))
    }

    fn mark_stream(&self, batch: &mut OwnedWriteBatch, marks: &Marks, stream: usize) {
        let mark = &marks.streams[stream];
        let tally = mark.entries;
        let mark = numbers([mark.created_ms, mark.last, tally.count, tally.sum]);
        batch.insert(&self.meta, format!("stream.{stream}"), mark);
    }

    fn mark_bucket(&self, batch: &mut OwnedWriteBatch, marks: &Marks, bucket: usize) {
        let mark = &marks.buckets[bucket];
        let mark = numbers([mark.last, mark.keys.count, mark.keys.sum]);
        batch.insert(&self.meta, self.bucket_mark(bucket), mark);
    }

    /// Writes changes durably, counts them in `marks`, and notes the checksums of the records that it wrote.
    pub(super) fn commit(
        &self,
        ops: &mut [PendingWrite],
        marks: &mut Marks,
    ) -> Result<(), DiskError> {
        let mut batch = self.batch();
        let mut next = marks.clone();
        next.commit += 1;
        let mut streams = vec![false; next.streams.len()];
        let mut buckets = vec![false; next.buckets.len()];
        let removes = ops
            .iter()
            .any(|op| matches!(op.change, StoreChange::Remove(_)));
        let mut later = LaterChanges::new(&marks.buckets, removes);
        // From the last to the first, because a batch does not keep the order of two changes of one key.
        for op in ops.iter_mut().rev() {
            match &mut op.change {
                StoreChange::Append(partition, entry) => {
                    let key = log_key(*partition, entry.seq);
                    let value = encode_entry(entry);
                    let stream = self.stream_of(*partition);
                    let mark = &mut next.streams[stream];
                    mark.entries.add(checksum(&key, &value));
                    mark.last = mark.last.max(entry.seq);
                    streams[stream] = true;
                    batch.insert(&self.log, key, value);
                }
                StoreChange::Put(change, record) => {
                    let mark = &mut next.buckets[change.bucket];
                    mark.last = mark.last.max(record.revision);
                    buckets[change.bucket] = true;
                    let key = self.bucket_key(change.bucket, &change.key);
                    let index = index_record(record);
                    record.checksum = checksum(&key, &index);
                    mark.keys.add(record.checksum);
                    if let Some(replaced) = replaced_checksum(&key, change) {
                        mark.keys.remove(replaced);
                    }
                    if !later.overtakes_put(change, record) {
                        self.write_key(&mut batch, key, index, &record.value);
                    }
                }
                StoreChange::Remove(change) => {
                    buckets[change.bucket] = true;
                    let key = self.bucket_key(change.bucket, &change.key);
                    if let Some(removed) = replaced_checksum(&key, change) {
                        next.buckets[change.bucket].keys.remove(removed);
                    }
                    if !later.overtakes_removal(change) {
                        batch.remove(&self.index, key.clone());
                        batch.remove(&self.value, key);
                    }
                }
            }
        }
        let marked =
            |marks: &[bool]| -> Vec<usize> { (0..marks.len()).filter(|i| marks[*i]).collect() };
        for stream in marked(&streams) {
            self.mark_stream(&mut batch, &next, stream);
        }
        for bucket in marked(&buckets) {
            self.mark_bucket(&mut batch, &next, bucket);
        }
        batch.insert(&self.meta, COMMIT, numbers([next.commit]));
        batch.commit()?;
        *marks = next;
        Ok(())
    }

    fn write_key(&self, batch: &mut OwnedWriteBatch, key: Vec<u8>, index: Vec<u8>, value: &Value) {
        batch.insert(&self.index, key.clone(), index);
        match value {
            Value::InMemory(value) => batch.insert(&self.value, key, &value[..]),
            Value::Marker | Value::OnDisk => batch.remove(&self.value, key),
        }
    }

    /// Reads a key's value.
    pub(super) fn value(&self, bucket: usize, key: &str) -> Result<Bytes, DiskError> {
        let key = self.bucket_key(bucket, key);
        match self.value.get(&key)? {
            Some(value) => Ok(Bytes::copy_from_slice(&value)),
            None => Err(Damaged::new("value", &key, "is missing").into()),
        }
    }

    /// Reads at most `limit` entries of a partition, from `from` to before `until`.
    pub(super) fn entries(
        &self,
        partition: Partition,
        from: u64,
        until: u64,
        limit: usize,
    ) -> Result<Vec<LogEntry>, DiskError> {
        let range = log_key(partition, from)..log_key(partition, until);
        let mut entries = Vec::new();
        for entry in self.log.range(range).take(limit) {
            let (key, value) = entry.into_inner()?;
            entries.push(decode_entry(&key, &value)?);
        }
        Ok(entries)
    }

    /// The sequence of a partition's last entry that is older than `cutoff_ms`. Entries up to it may be removed.
    pub(super) fn too_old(
        &self,
        partition: Partition,
        cutoff_ms: u64,
    ) -> Result<Option<u64>, DiskError> {
        let mut last = None;
        for entry in self.log.prefix(partition.0.to_be_bytes()) {
            let (key, value) = entry.into_inner()?;
            let time_ms = number(&value, 0).ok_or_else(|| Damaged::new("log", &key, NO_ENTRY))?;
            if time_ms >= cutoff_ms {
                break;
            }
            last = Some(parse_log_key(&key)?.1);
        }
        Ok(last)
    }

    /// Removes the entries of partitions up to a sequence each, in several commits if there are many. `committed` is
    /// called after each.
    pub(super) fn remove_entries(
        &self,
        up_to: &[(Partition, u64)],
        marks: &mut Marks,
        mut committed: impl FnMut(&Marks) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
        let mut entries = up_to.iter().flat_map(|(partition, last)| {
            let range = log_key(*partition, 0)..=log_key(*partition, *last);
            let stream = self.stream_of(*partition);
            self.log.range(range).map(move |entry| (stream, entry))
        });
        loop {
            let mut batch = self.batch();
            let mut next = marks.clone();
            next.commit += 1;
            for (stream, entry) in entries.by_ref().take(MAX_REMOVED) {
                let (key, value) = entry.into_inner()?;
                next.streams[stream].entries.remove(checksum(&key, &value));
                batch.remove(&self.log, key);
            }
            if batch.is_empty() {
                return Ok(());
            }
            for stream in 0..next.streams.len() {
                if next.streams[stream] != marks.streams[stream] {
                    self.mark_stream(&mut batch, &next, stream);
                }
            }
            batch.insert(&self.meta, COMMIT, numbers([next.commit]));
            batch.commit()?;
            *marks = next;
            committed(marks)?;
        }
    }
}
