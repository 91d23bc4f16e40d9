//! Stored snapshots: the state of a room at an entry of its log (D8), or its deletion by that entry (D12).

use bytes::Bytes;
use grandstand_common::id::{Epoch, RoomId};
use grandstand_game::Games;
use grandstand_game::host::{GameInstance, LoadError, StateHash};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use super::error::{DecodeError, EncodeError};
use super::head::{Beginning, SnapshotHead, StoredHead, first_version, is_first_version};
use super::outlet::PendingItem;
use super::room::RoomRecord;
use crate::room::Room;

/// The version of the format. A reader rejects snapshots of another version.
const FORMAT: u32 = 1;

/// The limits of a snapshot, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotLimits {
    /// The limit of the game's own state. The rest of the room has bounds of its own (D26).
    pub(crate) game: usize,
    /// The limit of the whole snapshot.
    pub(crate) snapshot: usize,
    /// The most bytes that the bus takes at the moment, if that is less than `snapshot`.
    pub(crate) taken: usize,
}

/// The most bytes of a write's subject and headers, which NATS counts as payload.
const WRITE_OVERHEAD: usize = 1024;

impl SnapshotLimits {
    /// The limits of a game's state, and of a value of the bus: the one that rooms may rely on, and the one at the
    /// moment, bytes.
    pub(crate) fn new(state_bytes: usize, full_bytes: usize, value_bytes: usize) -> Self {
        Self {
            game: state_bytes,
            snapshot: full_bytes.max(value_bytes).saturating_sub(WRITE_OVERHEAD),
            taken: value_bytes.saturating_sub(WRITE_OVERHEAD),
        }
    }

    /// No limits, for snapshots that are not stored on the bus.
    pub(crate) const NONE: Self = Self {
        game: usize::MAX,
        snapshot: usize::MAX,
        taken: usize::MAX,
    };
}

#[derive(Serialize)]
struct StoredRef<'a> {
    format: u32,
    epoch: Epoch,
    generation: u64,
    last: u64,
    /// Stands before the room, so that it is read without the room. Earlier builds ignore it.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<&'a StoredHead>,
    /// The xxh3 hash of the game's serialized state, for builds that do not know `state_hash`.
    hash: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_hash: Option<StateHash>,
    room: Option<&'a RawValue>,
    /// The version of the game that stored `game`, as in the head.
    #[serde(skip_serializing_if = "is_first_version")]
    version: u32,
    game: Option<&'a RawValue>,
    /// The items that were not acked. No hash covers them, because they depend on acks.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    outlet: &'a [&'a PendingItem],
}

#[derive(Deserialize)]
struct Outlet {
    #[serde(default)]
    outlet: Vec<PendingItem>,
}

#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(default)]
    head: Option<StoredHead>,
    #[serde(default)]
    hash: u64,
    /// Missing in the snapshots of older builds.
    #[serde(default)]
    state_hash: Option<StateHash>,
    #[serde(borrow)]
    room: Option<&'a RawValue>,
    #[serde(default = "first_version")]
    version: u32,
    #[serde(borrow)]
    game: Option<&'a RawValue>,
    #[serde(borrow, default)]
    outlet: Option<&'a RawValue>,
}

impl<'a> Stored<'a> {
    /// The state of the game of a room that was not deleted. That of a game without fields may be `null`.
    fn game_state(&self) -> &'a RawValue {
        self.game.unwrap_or(RawValue::NULL)
    }
}

/// The fields of a snapshot besides the room.
#[derive(Deserialize)]
struct Header {
    format: u32,
    epoch: Epoch,
    generation: u64,
    last: u64,
}

/// A room's durable state as JSON.
#[derive(Debug, Clone)]
pub(crate) struct StoredState {
    pub(crate) room: Box<RawValue>,
    pub(crate) game: Box<RawValue>,
}

impl StoredState {
    /// Serializes a room and its game.
    pub(crate) fn new(room: &Room) -> Result<Self, EncodeError> {
        Ok(Self {
            game: room.game().game_state()??,
            room: serde_json::value::to_raw_value(&RoomRecord::new(room))?,
        })
    }

    pub(crate) fn hash(&self) -> StateHash {
        StateHash::new(&self.room, &self.game)
    }

    /// Returns the state as `{"room":…,"game":…}`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let parse = |text: &RawValue| serde_json::from_str(text.get()).unwrap_or_default();
        let (room, game): (serde_json::Value, serde_json::Value) =
            (parse(&self.room), parse(&self.game));
        serde_json::json!({ "room": room, "game": game })
    }

    /// Returns the size in bytes.
    pub(crate) fn len(&self) -> usize {
        self.room.get().len() + self.game.get().len()
    }
}

/// Encodes a snapshot of a room, and of the items that it has sent out and that were not acked. Its last entry is that of
/// `head`, not that of `room`.
pub(crate) fn encode(
    room: &Room,
    outlet: &[&PendingItem],
    head: SnapshotHead,
    limits: SnapshotLimits,
) -> Result<Bytes, EncodeError> {
    let state = StoredState::new(room)?;
    let world = room.realtime().and_then(|state| state.world.as_ref());
    let world = world.map_or(0, |world| world.text.0.get().len());
    let what = if world == 0 {
        "the game's state"
    } else {
        "the game's state with its world"
    };
    check(what, state.game.get().len() + world, limits.game)?;
    let version = room.version();
    let stored = StoredRef {
        format: FORMAT,
        epoch: head.epoch,
        generation: head.generation,
        last: head.last,
        head: Some(&StoredHead::new(room, version, !outlet.is_empty())),
        hash: xxh3_64(state.game.get().as_bytes()),
        state_hash: Some(state.hash()),
        room: Some(&state.room),
        version,
        game: Some(&state.game),
        outlet,
    };
    let value = serde_json::to_vec(&stored)?;
    let bytes = value.len();
    let max = limits.taken.min(limits.snapshot);
    if bytes > max && !outlet.is_empty() && bytes - serde_json::to_vec(outlet)?.len() <= max {
        return Err(EncodeError::Items { bytes, max });
    }
    check("the snapshot", bytes, limits.snapshot)?;
    if bytes > max {
        Err(EncodeError::NotTaken { bytes, max })
    } else {
        Ok(value.into())
    }
}

fn check(what: &'static str, bytes: usize, max: usize) -> Result<(), EncodeError> {
    if bytes > max {
        Err(EncodeError::TooBig { what, bytes, max })
    } else {
        Ok(())
    }
}

/// Encodes that entry `head.last` deleted the room.
pub(crate) fn encode_deleted(head: SnapshotHead) -> Result<Bytes, EncodeError> {
    let stored = StoredRef {
        format: FORMAT,
        epoch: head.epoch,
        generation: head.generation,
        last: head.last,
        head: None,
        hash: 0,
        state_hash: None,
        room: None,
        version: first_version(),
        game: None,
        outlet: &[],
    };
    Ok(serde_json::to_vec(&stored)?.into())
}

/// A snapshot, as far as it is known without decoding its game.
#[derive(Debug)]
pub(crate) struct SnapshotSummary {
    pub(crate) place: SnapshotHead,
    /// `None` if the room was deleted.
    pub(crate) head: Option<StoredHead>,
    /// The bytes that were parsed: all of them if an earlier build wrote the snapshot.
    pub(crate) parsed: usize,
}

/// The most bytes that a snapshot's beginning is taken to have.
const BEGINNING: usize = 512;

/// Looks at a snapshot without decoding its game.
pub(crate) fn summarize(value: &[u8]) -> Result<SnapshotSummary, DecodeError> {
    let beginning = Beginning::parse(value);
    if let (Some(FORMAT), Some(place), Some(head)) =
        (beginning.format, beginning.place(), beginning.head)
    {
        return Ok(SnapshotSummary {
            place,
            head: Some(head),
            parsed: value.len().min(BEGINNING),
        });
    }
    let place = decode_head(value)?;
    let stored: Stored<'_> = serde_json::from_slice(value)?;
    let head = match stored.room {
        Some(room) => Some(StoredHead {
            version: stored.version,
            ..serde_json::from_str::<RoomRecord<'_>>(room.get())?.head()
        }),
        None => None,
    };
    Ok(SnapshotSummary {
        place,
        head,
        parsed: value.len(),
    })
}

/// Decodes the writer and the last entry of a snapshot, without its room.
pub(crate) fn decode_head(value: &[u8]) -> Result<SnapshotHead, DecodeError> {
    let beginning = Beginning::parse(value);
    if let (Some(FORMAT), Some(place)) = (beginning.format, beginning.place()) {
        return Ok(place);
    }
    let header: Header = serde_json::from_slice(value)?;
    if header.format != FORMAT {
        return Err(DecodeError::Format(header.format));
    }
    Ok(SnapshotHead {
        epoch: header.epoch,
        generation: header.generation,
        last: header.last,
    })
}

/// Decodes the items that a room had sent out and that were not acked.
pub(crate) fn decode_outlet(value: &[u8]) -> Result<Vec<PendingItem>, DecodeError> {
    if !Beginning::parse(value)
        .head
        .is_some_and(|head| head.has_items)
    {
        return Ok(Vec::new());
    }
    Ok(serde_json::from_slice::<Outlet>(value)?.outlet)
}

/// Decodes the state of a snapshot as it is stored, and the hash stored with it. Returns `None` if the room was deleted.
pub(crate) fn decode_state(
    value: &[u8],
) -> Result<Option<(StoredState, Option<StateHash>)>, DecodeError> {
    let stored: Stored<'_> = serde_json::from_slice(value)?;
    let Some(room) = stored.room else {
        return Ok(None);
    };
    let game = stored.game_state();
    let state = StoredState {
        room: room.to_owned(),
        game: game.to_owned(),
    };
    Ok(Some((state, stored.state_hash)))
}

/// Decodes the room of a snapshot and checks its hash. A state of an earlier version of its game is migrated. Entry `last`
/// counts as the room's last one. Returns `None` if the room was deleted.
pub(crate) fn decode(
    games: &Games,
    id: &RoomId,
    value: &[u8],
    last: u64,
) -> Result<Option<Room>, DecodeError> {
    let stored: Stored<'_> = serde_json::from_slice(value)?;
    let Some(state) = stored.room else {
        return Ok(None);
    };
    let game = stored.game_state();
    let is_intact = match stored.state_hash {
        Some(hash) => hash == StateHash::new(state, game),
        None => stored.hash == xxh3_64(game.get().as_bytes()),
    };
    let version = stored.version;
    let has_other_version = |head: &StoredHead| head.version != version;
    if !is_intact || stored.head.as_ref().is_some_and(has_other_version) {
        return Err(DecodeError::Damaged);
    }
    let too_new = LoadError::TooNew {
        stored: version,
        own: games.version(id.game()),
    };
    let kind = games
        .get(id.game())
        .filter(|kind| version <= kind.version())
        .ok_or(too_new)?;
    let record: RoomRecord<'_> = serde_json::from_str(state.get())?;
    let game = kind.load(version, game.get())??;
    let (instance, state) = record.into_states();
    let game = GameInstance::restore(game, instance);
    let room = Room::restore(id.clone(), game, state, last);
    // The hash does not cover the head.
    if stored
        .head
        .is_some_and(|head| head != StoredHead::new(&room, version, stored.outlet.is_some()))
    {
        return Err(DecodeError::Damaged);
    }
    Ok(Some(room))
}
