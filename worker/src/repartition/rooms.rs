//! Copies the stored rooms to the buckets of another layout. Values stay as they are, byte for byte.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use grandstand_common::bus::{Bucket, Bus, KvEntry, PutError, PutReceipt, Read};
use grandstand_common::id::Partition;
use grandstand_common::record::Checkpoint;
use grandstand_common::subject;

use super::error::RepartitionError;
use super::listing::{create, decode, encode};
use super::step::{Step, Tell};
use crate::stored::snapshot;

/// The most writes in flight.
const IN_FLIGHT: usize = 256;
/// The number of keys between two calls of `tell`.
const TELL_EVERY: u64 = 128;

/// The checkpoints of a layout's partitions, as far as these ever had an owner.
pub(super) type Checkpoints = BTreeMap<Partition, Checkpoint>;

/// Reads the checkpoints.
pub(super) async fn checkpoints(bus: &Bus) -> Result<Checkpoints, RepartitionError> {
    let mut found = Checkpoints::new();
    for partition in bus.layout().all_partitions() {
        let key = subject::checkpoint_key(partition);
        let entry = bus.get(Bucket::Rooms(partition), &key).await?;
        if let Some(value) = entry.and_then(|entry| entry.value) {
            found.insert(partition, decode("rooms", &key, &value)?);
        }
    }
    Ok(found)
}

/// Stores the first checkpoint of each partition.
pub(super) async fn put_checkpoints(
    bus: &Bus,
    checkpoint: &Checkpoint,
) -> Result<(), RepartitionError> {
    for partition in bus.layout().all_partitions() {
        let key = subject::checkpoint_key(partition);
        let value = encode(&key, checkpoint)?;
        create(bus, Bucket::Rooms(partition), &key, value).await?;
    }
    Ok(())
}

/// A write in flight.
struct Writing {
    receipt: Option<PutReceipt>,
    place: (Bucket, String),
    value: Bytes,
}

/// Copies all rooms. Rooms that an interrupted run has copied stay as they are. Returns the number of rooms.
pub(super) async fn copy(old: &Bus, new: &Bus, tell: Tell<'_>) -> Result<u64, RepartitionError> {
    let from = old.layout();
    let mut rooms = 0;
    for index in 0..from.streams {
        let bucket = Bucket::Rooms(from.partition(usize::from(index)));
        let mut show = |done, of| {
            tell(&Step::Rooms {
                bucket: index,
                buckets: from.streams,
                done,
                of,
            });
        };
        // A reader that was lost begins again. Keys that exist already stay as they are.
        rooms += loop {
            if let Some(rooms) = copy_bucket(old, new, bucket, &mut show).await? {
                break rooms;
            }
        };
    }
    Ok(rooms)
}

/// Copies the rooms of a bucket. Returns their number; `None` if the reader was lost.
async fn copy_bucket(
    old: &Bus,
    new: &Bus,
    bucket: Bucket,
    show: &mut impl FnMut(u64, u64),
) -> Result<Option<u64>, RepartitionError> {
    let mut reader = old.watch(bucket, "").await?;
    let mut writes = VecDeque::new();
    let mut done = 0_u64;
    let mut rooms = 0;
    loop {
        match reader.next().await {
            Read::Item(entry, behind) => {
                if let Some(write) = start(old, new, entry).await? {
                    writes.push_back(write);
                    rooms += 1;
                }
                if writes.len() >= IN_FLIGHT
                    && let Some(first) = writes.pop_front()
                {
                    finish(new, first).await?;
                }
                done += 1;
                if done.is_multiple_of(TELL_EVERY) || behind == 0 {
                    show(done, done + behind);
                }
                if behind == 0 {
                    break;
                }
            }
            Read::Idle => break,
            Read::Lost => return Ok(None),
        }
    }
    for write in writes {
        finish(new, write).await?;
    }
    Ok(Some(rooms))
}

/// Starts the copy of a key, if it is a room of the former layout that exists. The log of its deletion is not copied, so
/// that a deleted room needs no record of it.
async fn start(old: &Bus, new: &Bus, entry: KvEntry) -> Result<Option<Writing>, RepartitionError> {
    let (Some(value), Some((partition, room))) = (entry.value, subject::parse_room_key(&entry.key))
    else {
        return Ok(None);
    };
    let is_deleted = matches!(snapshot::decode_state(&value), Ok(None));
    if is_deleted || old.layout().index_of(partition).is_none() {
        return Ok(None);
    }
    let partition = new.layout().partition_of(&room);
    let place = (
        Bucket::Rooms(partition),
        subject::room_key(partition, &room),
    );
    let sent = new.start_put_if(place.0, &place.1, value.clone(), 0).await;
    Ok(Some(Writing {
        receipt: sent.ok(),
        place,
        value,
    }))
}

/// Waits for a write, and repeats it if it may have failed.
async fn finish(new: &Bus, write: Writing) -> Result<(), RepartitionError> {
    let stored = match write.receipt {
        Some(receipt) => matches!(receipt.await, Ok(_) | Err(PutError::WrongRevision)),
        None => false,
    };
    if stored {
        Ok(())
    } else {
        create(new, write.place.0, &write.place.1, write.value).await
    }
}
