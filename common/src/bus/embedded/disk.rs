//! The folder: what is in which keyspace.
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
use crate::bus::embedded::kv::{Slot, Value};
use crate::bus::embedded::state::{Change, Op, State};
use crate::bus::{BusOptions, ConnectError, LogEntry};
use crate::id::Partition;

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

/// How far streams and buckets are stored once some changes are.
#[derive(Debug, Default)]
pub(super) struct Reached {
    pub(super) streams: HashMap<usize, u64>,
    pub(super) buckets: HashMap<usize, u64>,
}

impl Reached {
    pub(super) fn by(ops: &[Op], streams: usize) -> Self {
        let mut reached = Self::default();
        for op in ops {
            match &op.change {
                Change::Append(partition, entry) => {
                    let stream = usize::from(partition.0) % streams;
                    reached.streams.insert(stream, entry.seq);
                }
                Change::Put(bucket, _, slot) => {
                    reached.buckets.insert(*bucket, slot.revision);
                }
                Change::Remove(..) => {}
            }
        }
        reached
    }
}

fn log_key(partition: Partition, seq: u64) -> [u8; 10] {
    let mut key = [0; 10];
    key[..2].copy_from_slice(&partition.0.to_be_bytes());
    key[2..].copy_from_slice(&seq.to_be_bytes());
    key
}

fn number(bytes: &[u8], index: usize) -> Option<u64> {
    let at = bytes.get(index * 8..index * 8 + 8)?;
    Some(u64::from_be_bytes(at.try_into().ok()?))
}

fn numbers<const N: usize>(numbers: [u64; N]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}

fn encode_entry(entry: &LogEntry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(10 + entry.subject.len() + entry.payload.len());
    bytes.extend(entry.time_ms.to_be_bytes());
    bytes.extend((entry.subject.len() as u16).to_be_bytes());
    bytes.extend(entry.subject.as_bytes());
    bytes.extend(&entry.payload);
    bytes
}

fn decode_entry(seq: u64, bytes: &[u8]) -> Option<LogEntry> {
    let time_ms = number(bytes, 0)?;
    let length = usize::from(u16::from_be_bytes(bytes.get(8..10)?.try_into().ok()?));
    let subject = bytes.get(10..10 + length)?;
    Some(LogEntry {
        seq,
        time_ms,
        subject: String::from_utf8(subject.to_vec()).ok()?,
        payload: Bytes::copy_from_slice(&bytes[10 + length..]),
    })
}

impl Disk {
    /// Opens what is in `dir` (or makes it), and gives the state that it leaves.
    pub(super) fn open(dir: &Path, options: &BusOptions) -> Result<(Self, State), ConnectError> {
        let failed = |cause| ConnectError::Store {
            dir: dir.to_owned(),
            cause: Box::new(cause),
        };
        let disk = Self::open_keyspaces(dir, options).map_err(failed)?;
        disk.check_layout(dir, options, failed)?;
        let state = disk.recover(options).map_err(failed)?;
        Ok((disk, state))
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
                    mend: "set it as it is there, or use another folder".to_owned(),
                });
            }
        }
        Ok(())
    }

    fn recover(&self, options: &BusOptions) -> fjall::Result<State> {
        let mut state = State::new(options, Clock::wall(), true);
        let mut latest_ms = 0;
        for stream in 0..usize::from(self.streams) {
            let name = format!("stream.{stream}");
            let Some(mark) = self.meta.get(&name)? else {
                let created = state.log.streams[stream].created_ms;
                self.meta.insert(name, numbers([created, 0]))?;
                continue;
            };
            let (created, last) = (number(&mark, 0).unwrap_or(0), number(&mark, 1).unwrap_or(0));
            let mut first = last + 1;
            for p in (stream..state.log.partitions.len()).step_by(usize::from(self.streams)) {
                let prefix = (p as u16).to_be_bytes();
                if let Some(entry) = self.log.prefix(prefix).next() {
                    let key = entry.key()?;
                    first = first.min(u64::from_be_bytes(key[2..].try_into().unwrap_or_default()));
                }
                if let Some(entry) = self.log.prefix(prefix).next_back() {
                    latest_ms = latest_ms.max(number(&entry.value()?, 0).unwrap_or(0));
                }
            }
            state.log.restore(stream, first, last, created);
        }
        for (i, name) in self.buckets.iter().enumerate() {
            if let Some(mark) = self.meta.get(format!("bucket.{name}"))? {
                let last = number(&mark, 0).unwrap_or(0);
                (state.buckets[i].last, state.buckets[i].visible) = (last, last);
            }
            let prefix = self.bucket_key(i, "");
            for entry in self.index.prefix(&prefix) {
                let (key, found) = entry.into_inner()?;
                let (Ok(key), Some(revision), Some(time_ms), Some(until)) = (
                    std::str::from_utf8(&key[prefix.len()..]),
                    number(&found, 0),
                    number(&found, 1),
                    number(&found, 2),
                ) else {
                    continue;
                };
                latest_ms = latest_ms.max(time_ms);
                let value = match until {
                    0 => Value::OnDisk,
                    until => Value::Marker(until),
                };
                let slot = Slot {
                    revision,
                    time_ms,
                    value,
                };
                state.buckets[i].insert(key.into(), slot);
            }
        }
        state.clock = Clock::wall().not_before(latest_ms);
        self.db.persist(PersistMode::SyncAll)?;
        Ok(state)
    }

    fn bucket_key(&self, bucket: usize, key: &str) -> Vec<u8> {
        let mut bytes = self.buckets[bucket].clone().into_bytes();
        bytes.push(0);
        bytes.extend(key.as_bytes());
        bytes
    }

    /// Writes changes so that they are there whatever happens.
    pub(super) fn commit(
        &self,
        ops: &[Op],
        reached: &Reached,
        created: &[u64],
    ) -> fjall::Result<()> {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncAll));
        // In a batch no order is kept between two changes of a key.
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
        for (&stream, &last) in &reached.streams {
            let mark = numbers([created[stream], last]);
            batch.insert(&self.meta, format!("stream.{stream}"), mark);
        }
        for (&bucket, &last) in &reached.buckets {
            let name = format!("bucket.{}", self.buckets[bucket]);
            batch.insert(&self.meta, name, numbers([last]));
        }
        batch.commit()
    }

    fn write_key(&self, batch: &mut OwnedWriteBatch, key: Vec<u8>, change: &Change) {
        let Change::Put(_, _, slot) = change else {
            batch.remove(&self.index, key.clone());
            batch.remove(&self.value, key);
            return;
        };
        let until = match &slot.value {
            Value::Marker(until) => *until,
            Value::Here(_) | Value::OnDisk => 0,
        };
        let index = numbers([slot.revision, slot.time_ms, until]);
        batch.insert(&self.index, key.clone(), index);
        match &slot.value {
            Value::Here(value) => batch.insert(&self.value, key, &value[..]),
            Value::Marker(_) => batch.remove(&self.value, key),
            Value::OnDisk => {}
        }
    }

    /// A key's value.
    pub(super) fn value(&self, bucket: usize, key: &str) -> fjall::Result<Bytes> {
        let value = self.value.get(self.bucket_key(bucket, key))?;
        Ok(value.map_or_else(Bytes::new, |value| Bytes::copy_from_slice(&value)))
    }

    /// At most `limit` entries of a partition from `from` to before `until`.
    pub(super) fn entries(
        &self,
        partition: Partition,
        from: u64,
        until: u64,
        limit: usize,
    ) -> fjall::Result<Vec<LogEntry>> {
        let range = log_key(partition, from)..log_key(partition, until);
        let mut entries = Vec::new();
        for entry in self.log.range(range).take(limit) {
            let (key, value) = entry.into_inner()?;
            let seq = u64::from_be_bytes(key[2..].try_into().unwrap_or_default());
            entries.extend(decode_entry(seq, &value));
        }
        Ok(entries)
    }

    /// The last sequence of a partition that is older than `cutoff_ms`; what is up to it can go.
    pub(super) fn too_old(
        &self,
        partition: Partition,
        cutoff_ms: u64,
    ) -> fjall::Result<Option<u64>> {
        let mut last = None;
        for entry in self.log.prefix(partition.0.to_be_bytes()) {
            let (key, value) = entry.into_inner()?;
            if number(&value, 0).is_none_or(|time_ms| time_ms >= cutoff_ms) {
                break;
            }
            last = Some(u64::from_be_bytes(key[2..].try_into().unwrap_or_default()));
        }
        Ok(last)
    }

    /// Removes a partition's entries up to `last`.
    pub(super) fn remove_entries(&self, partition: Partition, last: u64) -> fjall::Result<()> {
        let range = log_key(partition, 0)..=log_key(partition, last);
        let mut batch = self.db.batch();
        for entry in self.log.range(range) {
            batch.remove(&self.log, entry.key()?);
        }
        batch.commit()
    }
}
