//! The state of an embedded bus: log, buckets, subscriptions and writes for the disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use grandstand_types::id::Partition;
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use crate::bus::embedded::clock::Clock;
use crate::bus::embedded::faults::FaultState;
use crate::bus::embedded::kv::{KeyRecord, Kv, Value};
use crate::bus::embedded::log::Log;
use crate::bus::embedded::out_memory::OutMemory;
use crate::bus::embedded::route::{ClientId, Routes};
use crate::bus::error::{AppendError, PutError};
use crate::bus::options::{BusOptions, bucket_name, buckets};
use crate::bus::types::{Bucket, LogEntry, Message};

/// The state behind the lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) clock: Clock,
    pub(super) log: Log,
    /// The buckets, then what games emit.
    pub(super) buckets: Vec<Kv>,
    pub(super) out_memory: OutMemory,
    pub(super) routes: Routes,
    pub(super) faults: Option<FaultState>,
    /// Messages that a fault delays, by delivery time.
    pub(super) delayed: BTreeMap<(Instant, u64), Message>,
    pub(super) next_id: u64,
    /// Writes for the committer.
    pub(super) queue: Vec<PendingWrite>,
    pub(super) stop: bool,
    /// The disk failed; nothing more is accepted.
    pub(super) failed: bool,
    /// The folder was opened to inspect it.
    pub(super) read_only: bool,
    durable: bool,
}

/// A change for the disk.
#[derive(Debug)]
pub(super) struct PendingWrite {
    pub(super) change: StoreChange,
    pub(super) ack: Option<Ack>,
    pub(super) _permit: Option<OwnedSemaphorePermit>,
}

/// The change.
#[derive(Debug)]
pub(super) enum StoreChange {
    Append(Partition, LogEntry),
    Put(KeyChange, KeyRecord),
    Remove(KeyChange),
}

/// A change of a bucket's key.
#[derive(Debug)]
pub(super) struct KeyChange {
    pub(super) bucket: usize,
    pub(super) key: Arc<str>,
    /// The record that it replaces, stored or not.
    pub(super) before: Option<KeyRecord>,
}

/// The writer to inform, and the number to tell. Dropping it, when the disk fails, reports that the outcome is unknown.
#[derive(Debug)]
pub(super) enum Ack {
    Append(oneshot::Sender<Result<u64, AppendError>>, u64),
    Put(oneshot::Sender<Result<u64, PutError>>, u64),
}

impl Ack {
    pub(super) fn send(self) {
        match self {
            Self::Append(sender, seq) => drop(sender.send(Ok(seq))),
            Self::Put(sender, revision) => drop(sender.send(Ok(revision))),
        }
    }
}

/// The place of a bucket in [`State::buckets`]; the order is that of [`BusOptions::buckets`].
pub(super) fn bucket_index(options: &BusOptions, bucket: Bucket) -> usize {
    let after_rooms = |n| usize::from(options.streams) + n;
    match bucket {
        Bucket::Rooms(partition) => usize::from(options.layout().stream_of(partition)),
        Bucket::Workers => after_rooms(0),
        Bucket::Leases => after_rooms(1),
        Bucket::Quarantine => after_rooms(2),
        Bucket::Cluster => after_rooms(3),
        Bucket::Revocations => after_rooms(4),
        Bucket::Worlds => after_rooms(5),
        Bucket::Outlet => after_rooms(7),
        Bucket::Listings => after_rooms(8),
    }
}

/// The place of what games emit, among the buckets.
pub(super) fn out_index(options: &BusOptions) -> usize {
    bucket_index(options, Bucket::Worlds) + 1
}

/// The names of what [`State::buckets`] holds, in order. Folders of older programs lack the last ones, and the record of a
/// folder knows them by their places, so a new one is always the last.
pub(super) fn table_names(options: &BusOptions) -> Vec<String> {
    let layout = options.layout();
    let buckets = buckets(&layout).into_iter();
    let mut names: Vec<_> = buckets.map(|bucket| bucket_name(&layout, bucket)).collect();
    names.insert(out_index(options), "=out".to_owned());
    names
}

impl State {
    pub(super) fn new(options: &BusOptions, mut clock: Clock, durable: bool) -> Self {
        let created_ms = clock.now_ms();
        Self {
            clock,
            log: Log::new(options, created_ms, durable),
            buckets: table_names(options).iter().map(|_| Kv::default()).collect(),
            out_memory: OutMemory::default(),
            routes: Routes::default(),
            faults: None,
            delayed: BTreeMap::new(),
            next_id: 0,
            queue: Vec::new(),
            stop: false,
            failed: false,
            read_only: false,
            durable,
        }
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Accepts nothing more.
    pub(super) fn fail(&mut self) {
        self.failed = true;
        // Dropping an ack reports that the outcome is unknown.
        self.queue.clear();
        for partition_log in &self.log.partitions {
            partition_log.wake.send_replace(());
        }
        for bucket in &self.buckets {
            bucket.wake.send_replace(());
        }
    }

    /// Appends an entry. It is visible at once in memory, and after the committer's write with a folder.
    pub(super) fn append(
        &mut self,
        partition: Partition,
        subject: String,
        payload: Bytes,
    ) -> (u64, Option<LogEntry>) {
        let time_ms = self.clock.now_ms();
        let mut entry = LogEntry {
            seq: 0,
            time_ms,
            subject,
            payload,
        };
        let stream = self.log.stream_of(partition);
        if self.durable {
            entry.seq = self.log.push(partition, entry.clone());
            return (entry.seq, Some(entry));
        }
        let seq = self.log.push(partition, entry);
        self.log.set_visible(stream, seq);
        self.log.trim_stream(stream, time_ms);
        self.log.partitions[usize::from(partition.0)]
            .wake
            .send_replace(());
        (seq, None)
    }

    /// Writes a key if its revision is `expected`. Its record expires after `ttl_ms`.
    pub(super) fn put(
        &mut self,
        bucket: usize,
        key: &str,
        value: Value,
        ttl_ms: Option<u64>,
        expected: u64,
    ) -> Result<(u64, Option<StoreChange>), PutError> {
        self.expire(bucket);
        let time_ms = self.clock.now_ms();
        let kv = &mut self.buckets[bucket];
        if kv.revision(key) != expected {
            return Err(PutError::WrongRevision);
        }
        let before = kv.get(key).filter(|_| self.durable).cloned();
        let expires_ms = ttl_ms.map_or(0, |ttl_ms| time_ms + ttl_ms);
        let revision = kv.write(key, (time_ms, expires_ms), value);
        if self.durable {
            let record = kv.get(key).cloned();
            let change = KeyChange {
                bucket,
                key: key.into(),
                before,
            };
            return Ok((
                revision,
                record.map(|record| StoreChange::Put(change, record)),
            ));
        }
        kv.set_visible(revision);
        kv.wake.send_replace(());
        Ok((revision, None))
    }

    /// Drops a bucket's expired markers and values.
    pub(super) fn expire(&mut self, bucket: usize) {
        let now_ms = self.clock.now_ms();
        let gone = self.buckets[bucket].expire(now_ms);
        if self.durable && !self.read_only {
            let removals = gone.into_iter().map(|(key, record)| KeyChange {
                bucket,
                key,
                before: Some(record),
            });
            self.queue.extend(removals.map(|change| PendingWrite {
                change: StoreChange::Remove(change),
                ack: None,
                _permit: None,
            }));
        }
    }

    /// Sends a lossy message according to the plan of faults.
    pub(super) fn send(&mut self, client: ClientId, message: Message, delays: &Notify) {
        let now = Instant::now();
        let due = match &mut self.faults {
            Some(faults) => faults.message(client, &message.subject, now),
            None => Some(None),
        };
        match due {
            None => {}
            Some(None) => self.routes.deliver(message),
            Some(Some(due)) => {
                let id = self.next_id();
                self.delayed.insert((due, id), message);
                delays.notify_one();
            }
        }
    }

    /// Delivers delayed messages that are due; returns when the next one is due.
    pub(super) fn deliver_due(&mut self, now: Instant) -> Option<Instant> {
        while let Some(first) = self.delayed.first_entry() {
            if first.key().0 > now {
                return Some(first.key().0);
            }
            let message = first.remove();
            self.routes.deliver(message);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The record of a folder has the marks of buckets by their places, so that an older folder is only read if they stay.
    #[test]
    fn the_places_of_buckets_are_those_of_older_programs() {
        let options = BusOptions {
            streams: 1,
            ..BusOptions::default()
        };
        let names = table_names(&options);
        let older =
            "rooms_0 workers leases quarantine cluster revocations worlds =out outlet listings";
        assert_eq!(names.join(" "), older);
        for bucket in buckets(&options.layout()) {
            let name = bucket_name(&options.layout(), bucket);
            assert_eq!(names[bucket_index(&options, bucket)], name);
        }
        assert_eq!(names[out_index(&options)], "=out");
    }
}
