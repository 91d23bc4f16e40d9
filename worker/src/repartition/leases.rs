//! Takes the leases of a layout from its workers for good, so that no worker writes its rooms any longer.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, KvEntry, PutError};
use grandstand_common::id::{Epoch, Partition};
use grandstand_common::record::{
    GameVersions, Lease, StuckEntry, WorkerRecord, WorkerState, raise,
};
use tokio::time::Instant;

use super::error::RepartitionError;
use super::listing::{create, decode, delete as delete_key, encode, failed, list};
use super::step::{LOOK_EVERY, Step, Tell};
use super::stored_record::StoredRecord;

/// The silence after which a worker is marked as dead. Longer than that of workers among themselves (D16), because the
/// tool has no renewals of its own that would prove that NATS is well.
const SILENCE: Duration = Duration::from_secs(5);
/// The time between two looks after which nothing is known about a worker's silence.
const GAP: Duration = Duration::from_secs(1);

/// The leases that were taken.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) highest: Epoch,
    /// The entries at which loops got stuck.
    pub(super) stuck: Vec<StuckEntry>,
    /// The highest version of each game that a lease needs. Any partition of the next layout may get its rooms.
    pub(super) needs: GameVersions,
    revisions: BTreeMap<Partition, u64>,
}

/// A lease as it is stored.
#[derive(Debug, Clone)]
struct StoredLease {
    lease: Lease,
    revision: u64,
}

/// Refuses to begin while workers live that do not follow a change of the layout.
pub(super) async fn check_workers(bus: &Bus) -> Result<(), RepartitionError> {
    for entry in list(bus, Bucket::Workers).await? {
        let Some(value) = &entry.value else { continue };
        let record: WorkerRecord = decode("workers", &entry.key, value)?;
        if record.state != WorkerState::Dead && !record.follows_layout {
            return Err(RepartitionError::OldWorker {
                worker: entry.key,
                build: record.build,
            });
        }
    }
    Ok(())
}

/// Waits until every lease is released or its worker is dead, and marks each as moved. Workers release them as long as the
/// record names the move.
pub(super) async fn take_all(
    old: &Bus,
    record: &StoredRecord,
    tell: Tell<'_>,
) -> Result<Taken, RepartitionError> {
    let mut workers = Workers::default();
    let of = usize::from(old.layout().partitions);
    loop {
        record.check(old).await?;
        // A lease names a worker that has a record by then.
        let mut stored = read(old).await?;
        workers.look(old).await?;
        let mut left = 0;
        let mut holder = None;
        for partition in old.layout().all_partitions() {
            let found = stored.get(&partition);
            if found.is_some_and(|found| found.lease.moved) {
                continue;
            }
            let held = found.and_then(|found| found.lease.worker.as_ref());
            if let Some(worker) = held.filter(|worker| !workers.is_dead(worker.as_str())) {
                left += 1;
                holder = Some(worker.to_string());
                continue;
            }
            let known = found.map_or(Epoch::default(), |found| found.lease.epoch);
            let lease = Lease {
                worker: None,
                epoch: Epoch(known.0 + u64::from(held.is_some())),
                ready: false,
                sender: None,
                stuck: found.map_or_else(Vec::new, |found| found.lease.stuck.clone()),
                needs: found.map_or_else(GameVersions::new, |found| found.lease.needs.clone()),
                moved: true,
            };
            let revision = found.map_or(0, |found| found.revision);
            match put(old, partition, &lease, revision).await? {
                Some(revision) => stored.insert(partition, StoredLease { lease, revision }),
                None => {
                    left += 1;
                    continue;
                }
            };
        }
        tell(&Step::Releasing { left, of, holder });
        if left == 0 {
            let mut needs = GameVersions::new();
            for found in stored.values() {
                raise(&mut needs, &found.lease.needs);
            }
            return Ok(Taken {
                needs,
                highest: stored
                    .values()
                    .map(|s| s.lease.epoch)
                    .max()
                    .unwrap_or_default(),
                stuck: stored
                    .values()
                    .flat_map(|s| s.lease.stuck.iter().cloned())
                    .collect(),
                revisions: stored.iter().map(|(p, s)| (*p, s.revision)).collect(),
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Checks that no worker has taken a lease since.
pub(super) async fn verify(old: &Bus, taken: &Taken) -> Result<(), RepartitionError> {
    let stored = read(old).await?;
    for (partition, revision) in &taken.revisions {
        let found = stored.get(partition);
        // NATS may have come back without the mark, and given its revision to another write.
        if found.is_none_or(|found| found.revision != *revision || !found.lease.moved) {
            return Err(RepartitionError::TakenAgain {
                partition: partition.0,
            });
        }
    }
    Ok(())
}

/// Frees the leases of a layout for its workers.
pub(super) async fn give_back(old: &Bus) -> Result<(), RepartitionError> {
    for (partition, found) in read(old).await? {
        if found.lease.moved {
            let lease = Lease {
                moved: false,
                ..found.lease
            };
            put(old, partition, &lease, found.revision).await?;
        }
    }
    Ok(())
}

/// Stores the first lease of each partition, which no worker has yet, with the entries of its rooms at which loops got
/// stuck.
pub(super) async fn put_first(
    new: &Bus,
    lease: &Lease,
    stuck: &[StuckEntry],
) -> Result<(), RepartitionError> {
    for partition in new.layout().all_partitions() {
        let is_here = |entry: &&StuckEntry| new.layout().partition_of(&entry.room) == partition;
        let lease = Lease {
            stuck: stuck.iter().filter(is_here).cloned().collect(),
            ..lease.clone()
        };
        let key = partition.to_string();
        create(new, Bucket::Leases, &key, encode(&key, &lease)?).await?;
    }
    Ok(())
}

/// The number of partitions that have an owner that is ready.
pub(super) async fn ready(bus: &Bus) -> Result<usize, RepartitionError> {
    let stored = read(bus).await?;
    Ok(stored.values().filter(|found| found.lease.ready).count())
}

/// Deletes the leases of a layout.
pub(super) async fn delete(bus: &Bus) -> Result<(), RepartitionError> {
    for entry in list(bus, Bucket::Leases).await? {
        if partition_of(bus, &entry).is_some() {
            delete_key(bus, Bucket::Leases, &entry).await?;
        }
    }
    Ok(())
}

fn partition_of(bus: &Bus, entry: &KvEntry) -> Option<Partition> {
    let partition = entry.key.parse().ok().map(Partition);
    partition.filter(|partition| bus.layout().index_of(*partition).is_some())
}

async fn read(bus: &Bus) -> Result<BTreeMap<Partition, StoredLease>, RepartitionError> {
    let mut found = BTreeMap::new();
    for entry in list(bus, Bucket::Leases).await? {
        if let (Some(partition), Some(value)) = (partition_of(bus, &entry), &entry.value) {
            let lease = decode("leases", &entry.key, value)?;
            let revision = entry.revision;
            found.insert(partition, StoredLease { lease, revision });
        }
    }
    Ok(found)
}

/// Stores a lease. Returns its revision; `None` if it was changed meanwhile, or that is not known.
async fn put(
    bus: &Bus,
    partition: Partition,
    lease: &Lease,
    revision: u64,
) -> Result<Option<u64>, RepartitionError> {
    let key = partition.to_string();
    let value = encode(&key, lease)?;
    match bus.put_if(Bucket::Leases, &key, value, revision).await {
        Ok(revision) => Ok(Some(revision)),
        Err(PutError::WrongRevision | PutError::Unknown(_) | PutError::NotSent(_)) => Ok(None),
        Err(cause) => Err(failed(&key, cause)),
    }
}

/// The workers of the cluster, and since when each is silent.
#[derive(Debug, Default)]
struct Workers {
    seen: BTreeMap<String, (WorkerState, u64, Instant)>,
    looked: Option<Instant>,
}

impl Workers {
    /// Reads the records, and marks workers that are silent as dead.
    async fn look(&mut self, bus: &Bus) -> Result<(), RepartitionError> {
        let now = Instant::now();
        if self.looked.is_some_and(|looked| now > looked + GAP) {
            self.seen.values_mut().for_each(|seen| seen.2 = now);
        }
        self.looked = Some(now);
        let mut found = BTreeMap::new();
        for entry in list(bus, Bucket::Workers).await? {
            let Some(value) = &entry.value else { continue };
            let record: WorkerRecord = decode("workers", &entry.key, value)?;
            let known = self.seen.get(&entry.key);
            let known = known.filter(|(_, revision, _)| *revision == entry.revision);
            let since = known.map_or(now, |(_, _, since)| *since);
            let mut state = record.state;
            if state != WorkerState::Dead && now >= since + SILENCE {
                let dead = WorkerRecord {
                    state: WorkerState::Dead,
                    ..record
                };
                // A worker that was renewed meanwhile stays.
                let value = encode(&entry.key, &dead)?;
                let put = bus.put_if(Bucket::Workers, &entry.key, value, entry.revision);
                if put.await.is_ok() {
                    tracing::info!(worker = entry.key, "marked as dead: it was silent");
                    state = WorkerState::Dead;
                }
            }
            found.insert(entry.key, (state, entry.revision, since));
        }
        self.seen = found;
        Ok(())
    }

    /// Whether a worker is dead, or has no record any more, as that of a worker that is long dead.
    fn is_dead(&self, worker: &str) -> bool {
        let state = self.seen.get(worker).map(|(state, _, _)| *state);
        state.is_none_or(|state| state == WorkerState::Dead)
    }
}
