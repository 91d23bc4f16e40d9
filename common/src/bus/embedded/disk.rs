//! The folder's keyspaces.
//!
//! | keyspace | key | value |
//! | --- | --- | --- |
//! | `log` | partition (2), sequence (8) | time (8), subject's length (2), subject, payload |
//! | `index` | bucket, 0, key | revision (8), time (8), when a marker expires or 0 (8) |
//! | `value` | bucket, 0, key | the value |
//! | `meta` | `layout`; `stream.{k}`; `bucket.{name}` | streams and partitions; created, last sequence; last revision |
//!
//! Numbers are big endian.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};

use crate::bus::embedded::clock::Clock;
use crate::bus::embedded::format::{
    Damaged, DiskError, NO_ENTRY, decode_entry, encode_entry, log_key, number, numbers,
    parse_entry, parse_log_key,
};
use crate::bus::embedded::kv::{KeyRecord, Value};
use crate::bus::embedded::state::{Change, PendingWrite, State};
use crate::bus::error::ConnectError;
use crate::bus::options::BusOptions;
use crate::bus::types::LogEntry;
use grandstand_types::id::Partition;

const CACHE_BYTES: u64 = 64 << 20;
const JOURNAL_BYTES: u64 = 256 << 20;
const LAYOUT: &str = "layout";

/// An open folder.
pub(super) struct Disk {
    db: Database,
    log: Keyspace,
    index: Keyspace,
    value: Keyspace,
    meta: Keyspace,
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
                Change::Append(partition, entry) => {
                    let stream = usize::from(partition.0) % streams;
                    persisted.streams.insert(stream, entry.seq);
                }
                Change::Put(bucket, _, record) => {
                    persisted.buckets.insert(*bucket, record.revision);
                }
                Change::Remove(..) => {}
            }
        }
        persisted
    }
}

impl Disk {
    /// Opens or creates the store in `dir`, and returns its state.
    pub(super) fn open(dir: &Path, options: &BusOptions) -> Result<(Self, State), ConnectError> {
        let failed = |cause| ConnectError::Store {
            dir: dir.to_owned(),
            cause: Box::new(cause),
        };
        let disk = Self::open_keyspaces(dir, options).map_err(failed)?;
        disk.check_layout(dir, options, failed)?;
        let state = disk.recover(options).map_err(|error| match error {
            DiskError::Store(cause) => failed(cause),
            DiskError::Damaged(damaged) => ConnectError::Damaged {
                dir: dir.to_owned(),
                what: damaged.to_string(),
            },
        })?;
        Ok((disk, state))
    }

    /// The numbers of streams and partitions of the store in `dir`.
    pub(super) fn layout(dir: &Path) -> fjall::Result<Option<(u16, u16)>> {
        let db = Database::builder(dir).open()?;
        let meta = db.keyspace("meta", KeyspaceCreateOptions::default)?;
        let found = meta.get(LAYOUT)?;
        let field = |i| u16::try_from(number(found.as_deref()?, i)?).ok();
        Ok(field(0).zip(field(1)))
    }

    fn open_keyspaces(dir: &Path, options: &BusOptions) -> fjall::Result<Self> {
        let db = Database::builder(dir)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(2)
            .manual_journal_persist(true)
            .open()?;
        let keyspace = |name| db.keyspace(name, KeyspaceCreateOptions::default);
        let buckets = options.buckets();
        Ok(Self {
            log: keyspace("log")?,
            index: keyspace("index")?,
            value: keyspace("value")?,
            meta: keyspace("meta")?,
            buckets: buckets.iter().map(|b| options.bucket_name(*b)).collect(),
            streams: options.streams,
            db,
        })
    }

    fn check_layout(
        &self,
        dir: &Path,
        options: &BusOptions,
        failed: impl Fn(fjall::Error) -> ConnectError,
    ) -> Result<(), ConnectError> {
        let wanted = [u64::from(options.streams), u64::from(options.partitions)];
        let Some(found) = self.meta.get(LAYOUT).map_err(&failed)? else {
            let insert = self.meta.insert(LAYOUT, numbers(wanted));
            return insert.map_err(failed);
        };
        for (i, field) in ["streams", "partitions"].into_iter().enumerate() {
            let found = number(&found, i);
            if found != Some(wanted[i]) {
                return Err(ConnectError::Mismatch {
                    what: format!("the data folder {}", dir.display()),
                    field,
                    found: found.map_or_else(|| "nothing".to_owned(), |n| n.to_string()),
                    wanted: wanted[i].to_string(),
                    fix: "set it as it is there, or use another folder".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Restores the state from the folder. Reads everything, so that damage is found before anything is written.
    fn recover(&self, options: &BusOptions) -> Result<State, DiskError> {
        let mut state = State::new(options, Clock::wall(), true);
        let mut latest_ms = 0;
        let mut firsts = self.check_log(options.partitions, &mut latest_ms)?;
        for stream in 0..usize::from(self.streams) {
            let name = format!("stream.{stream}");
            let Some(mark) = self.meta.get(&name)? else {
                if firsts.remove(&stream).is_some() {
                    let why = "is missing, but there are entries of that stream";
                    return Err(Damaged::new("meta", name.as_bytes(), why).into());
                }
                let created = state.log.streams[stream].created_ms;
                self.meta.insert(name, numbers([created, 0]))?;
                continue;
            };
            let (Some(created), Some(last)) = (number(&mark, 0), number(&mark, 1)) else {
                let why = "is not two numbers";
                return Err(Damaged::new("meta", name.as_bytes(), why).into());
            };
            let first = firsts.get(&stream).map_or(last + 1, |first| *first);
            state
                .log
                .restore(stream, first.min(last + 1), last, created);
        }
        for bucket in 0..self.buckets.len() {
            self.recover_bucket(bucket, &mut state, &mut latest_ms)?;
        }
        state.clock = Clock::wall().not_before(latest_ms);
        self.db.persist(PersistMode::SyncAll)?;
        Ok(state)
    }

    /// Validates every entry, and returns the first sequence of each stream that has any.
    fn check_log(
        &self,
        partitions: u16,
        latest_ms: &mut u64,
    ) -> Result<HashMap<usize, u64>, DiskError> {
        let mut firsts = HashMap::new();
        for entry in self.log.iter() {
            let (key, value) = entry.into_inner()?;
            let (partition, seq) = parse_log_key(&key)?;
            if partition.0 >= partitions {
                let why = "belongs to a partition that does not exist";
                return Err(Damaged::new("log", &key, why).into());
            }
            let Some((time_ms, ..)) = parse_entry(&value) else {
                return Err(Damaged::new("log", &key, NO_ENTRY).into());
            };
            *latest_ms = time_ms.max(*latest_ms);
            let stream = usize::from(partition.0 % self.streams);
            let first = firsts.entry(stream).or_insert(seq);
            *first = seq.min(*first);
        }
        Ok(firsts)
    }

    fn recover_bucket(
        &self,
        bucket: usize,
        state: &mut State,
        latest_ms: &mut u64,
    ) -> Result<(), DiskError> {
        let name = format!("bucket.{}", self.buckets[bucket]);
        if let Some(mark) = self.meta.get(&name)? {
            let last = number(&mark, 0)
                .ok_or_else(|| Damaged::new("meta", name.as_bytes(), "is not a number"))?;
            (state.buckets[bucket].last, state.buckets[bucket].visible) = (last, last);
        }
        let prefix = self.bucket_key(bucket, "");
        for entry in self.index.prefix(&prefix) {
            let (key, found) = entry.into_inner()?;
            let damaged = |why| Damaged::new("index", &key, why);
            let name = std::str::from_utf8(&key[prefix.len()..])
                .map_err(|_| damaged("has a key that is not text"))?;
            let (Some(revision), Some(time_ms), Some(until)) =
                (number(&found, 0), number(&found, 1), number(&found, 2))
            else {
                return Err(damaged("is not three numbers").into());
            };
            *latest_ms = time_ms.max(*latest_ms);
            let value = match until {
                0 if !self.value.contains_key(&key)? => {
                    return Err(damaged("has no value").into());
                }
                0 => Value::OnDisk,
                until => Value::Marker(until),
            };
            let record = KeyRecord {
                revision,
                time_ms,
                value,
            };
            state.buckets[bucket].insert(name.into(), record);
        }
        Ok(())
    }

    fn bucket_key(&self, bucket: usize, key: &str) -> Vec<u8> {
        let mut bytes = self.buckets[bucket].clone().into_bytes();
        bytes.push(0);
        bytes.extend(key.as_bytes());
        bytes
    }

    /// Writes changes durably.
    pub(super) fn commit(
        &self,
        ops: &[PendingWrite],
        persisted: &Persisted,
        created: &[u64],
    ) -> Result<(), DiskError> {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncAll));
        // A batch does not keep the order of two changes of one key.
        let mut last_change: HashMap<(usize, &Arc<str>), &Change> = HashMap::new();
        for op in ops {
            match &op.change {
                Change::Append(partition, entry) => {
                    let key = log_key(*partition, entry.seq);
                    batch.insert(&self.log, key, encode_entry(entry));
                }
                change @ (Change::Put(bucket, key, _) | Change::Remove(bucket, key)) => {
                    last_change.insert((*bucket, key), change);
                }
            }
        }
        for ((bucket, key), change) in last_change {
            self.write_key(&mut batch, self.bucket_key(bucket, key), change);
        }
        for (&stream, &last) in &persisted.streams {
            let mark = numbers([created[stream], last]);
            batch.insert(&self.meta, format!("stream.{stream}"), mark);
        }
        for (&bucket, &last) in &persisted.buckets {
            let name = format!("bucket.{}", self.buckets[bucket]);
            batch.insert(&self.meta, name, numbers([last]));
        }
        Ok(batch.commit()?)
    }

    fn write_key(&self, batch: &mut OwnedWriteBatch, key: Vec<u8>, change: &Change) {
        let Change::Put(_, _, record) = change else {
            batch.remove(&self.index, key.clone());
            batch.remove(&self.value, key);
            return;
        };
        let until = match &record.value {
            Value::Marker(until) => *until,
            Value::InMemory(_) | Value::OnDisk => 0,
        };
        let index = numbers([record.revision, record.time_ms, until]);
        batch.insert(&self.index, key.clone(), index);
        match &record.value {
            Value::InMemory(value) => batch.insert(&self.value, key, &value[..]),
            Value::Marker(_) => batch.remove(&self.value, key),
            Value::OnDisk => {}
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

    /// The last sequence of a partition that is older than `cutoff_ms`. Entries up to it may be removed.
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

    /// Removes a partition's entries up to `last`.
    pub(super) fn remove_entries(&self, partition: Partition, last: u64) -> Result<(), DiskError> {
        let range = log_key(partition, 0)..=log_key(partition, last);
        let mut batch = self.db.batch();
        for entry in self.log.range(range) {
            batch.remove(&self.log, entry.key()?);
        }
        Ok(batch.commit()?)
    }
}
