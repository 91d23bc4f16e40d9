//! The records of a room in the buckets.

use grandstand_common::bus::{KvEntry, LogState};
use grandstand_common::id::RoomId;
use grandstand_common::id::{Epoch, Instance};
use grandstand_common::record::Checkpoint;
use grandstand_game::Games;
use grandstand_game::host::StateHash;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::room::Room;
use crate::stored::quarantine::QuarantineRecord;
use crate::stored::record::read_record;
use crate::stored::snapshot::{self, DecodeError, StoredState};

/// The records of a room in the buckets, and the log's bounds.
#[derive(Debug, Clone)]
pub(super) struct StoredRecords {
    pub(super) key: Key,
    /// The record of the room's quarantine.
    pub(super) quarantine: Option<QuarantineRecord>,
    pub(super) log: LogState,
}

/// The value of a room's key.
#[derive(Debug, Clone)]
pub(super) enum Key {
    /// The key does not exist.
    Nothing,
    /// A marker: the key was deleted at this time in Unix milliseconds.
    Marker(u64),
    /// No room exists after this entry.
    Deleted(u64),
    Room(Box<Snapshot>),
    /// The value cannot be read, for this reason.
    Unreadable(String),
}

/// A stored snapshot.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    value: bytes::Bytes,
    /// The epoch of the owner that wrote it.
    pub(super) epoch: Epoch,
    /// The time of the write in Unix milliseconds.
    pub(super) time_ms: u64,
    /// The last entry of the log that it covers.
    pub(super) last: u64,
    /// The first covered entry that the log has lost (D11).
    pub(super) cut: Option<u64>,
    pub(super) instance: Instance,
    pub(super) state: StoredState,
    /// The hash that was stored with the state; `None` if an early build wrote the snapshot.
    pub(super) says: Option<StateHash>,
    /// The hash computed from the stored state.
    pub(super) is: StateHash,
}

fn record<T: DeserializeOwned>(entry: Option<KvEntry>) -> Option<T> {
    let entry = entry?;
    let value = entry.value?;
    read_record(&entry.key, &value)
}

#[derive(Deserialize)]
struct Identity {
    instance: Instance,
}

impl StoredRecords {
    /// Decodes the room's key, its quarantine record, and the checkpoint of its partition.
    pub(super) fn new(
        key: Option<KvEntry>,
        quarantine: Option<KvEntry>,
        checkpoint: Option<KvEntry>,
        log: LogState,
    ) -> Self {
        let checkpoint = record(checkpoint);
        let quarantine = record(quarantine);
        Self {
            key: Key::new(key, checkpoint.as_ref()),
            quarantine,
            log,
        }
    }

    /// Whether no bucket has a record of the room.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self.key, Key::Nothing) && self.quarantine.is_none()
    }

    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        match &self.key {
            Key::Room(snapshot) => Some(snapshot),
            _ => None,
        }
    }
}

impl Key {
    fn new(entry: Option<KvEntry>, checkpoint: Option<&Checkpoint>) -> Self {
        let Some(entry) = entry else {
            return Self::Nothing;
        };
        let Some(value) = entry.value else {
            return Self::Marker(entry.time_ms);
        };
        match read(&value, checkpoint) {
            Ok((last, None)) => Self::Deleted(last),
            Ok((_, Some(snapshot))) => Self::Room(Box::new(Snapshot {
                time_ms: entry.time_ms,
                ..snapshot
            })),
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }
}

type Read = (u64, Option<Snapshot>);

fn read(value: &bytes::Bytes, checkpoint: Option<&Checkpoint>) -> Result<Read, DecodeError> {
    let place = snapshot::decode_head(value)?;
    let covered = checkpoint.map_or(place.last, |c| c.covered(place.generation, place.last));
    let Some((state, says)) = snapshot::decode_state(value)? else {
        return Ok((covered, None));
    };
    let identity: Identity = serde_json::from_str(state.room.get())?;
    let snapshot = Snapshot {
        value: value.clone(),
        epoch: place.epoch,
        time_ms: 0,
        last: covered,
        cut: (covered < place.last).then_some(covered + 1),
        instance: identity.instance,
        says,
        is: state.hash(),
        state,
    };
    Ok((covered, Some(snapshot)))
}

impl Snapshot {
    /// The stored hash if it does not match the state.
    pub(super) fn damaged(&self) -> Option<StateHash> {
        self.says.filter(|says| *says != self.is)
    }

    /// Loads the room; `None` if the snapshot has none.
    pub(super) fn load(&self, games: &Games, id: &RoomId) -> Result<Option<Room>, DecodeError> {
        snapshot::decode(games, id, &self.value, self.last)
    }
}
