//! Snapshots as they are stored: a room at a place in its log (D8), or that it was deleted there (D12).

use bytes::Bytes;
use grandstand_common::id::{Epoch, RoomId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use super::error::{DecodeError, EncodeError};
use crate::room::{Room, RoomState};
use grandstand_game::Games;
use grandstand_game::host::StateHash;
use grandstand_game::host::guard;

/// The version of the format. A reader rejects snapshots of another version.
const FORMAT: u32 = 1;

/// Where a snapshot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotHead {
    /// Its writer.
    pub(crate) epoch: Epoch,
    /// The log's generation.
    pub(crate) generation: u64,
    /// The last entry that is in it.
    pub(crate) last: u64,
}

#[derive(Serialize)]
struct StoredRef<'a> {
    format: u32,
    epoch: Epoch,
    generation: u64,
    last: u64,
    /// xxh3 of the game's serialized state, as builds check it that do not know `state_hash`.
    hash: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_hash: Option<StateHash>,
    room: Option<&'a RawValue>,
    game: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(default)]
    hash: u64,
    /// Snapshots of older builds have none.
    #[serde(default)]
    state_hash: Option<StateHash>,
    #[serde(borrow)]
    room: Option<&'a RawValue>,
    #[serde(borrow)]
    game: Option<&'a RawValue>,
}

/// The fields of a snapshot that can be read without the room.
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
    pub(crate) fn of(room: &Room) -> Result<Self, EncodeError> {
        Ok(Self {
            game: guard(|| room.game().state())??,
            room: serde_json::value::to_raw_value(room.state())?,
        })
    }

    pub(crate) fn hash(&self) -> StateHash {
        StateHash::of(&self.room, &self.game)
    }

    /// `{"room":…,"game":…}`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let parse = |text: &RawValue| serde_json::from_str(text.get()).unwrap_or_default();
        let (room, game): (serde_json::Value, serde_json::Value) =
            (parse(&self.room), parse(&self.game));
        serde_json::json!({ "room": room, "game": game })
    }

    pub(crate) fn len(&self) -> usize {
        self.room.get().len() + self.game.get().len()
    }
}

/// A room at `place`; `room.last()` is taken from the place.
pub(crate) fn encode(room: &Room, place: SnapshotHead) -> Result<Bytes, EncodeError> {
    let state = StoredState::of(room)?;
    let stored = StoredRef {
        format: FORMAT,
        epoch: place.epoch,
        generation: place.generation,
        last: place.last,
        hash: xxh3_64(state.game.get().as_bytes()),
        state_hash: Some(state.hash()),
        room: Some(&state.room),
        game: Some(&state.game),
    };
    Ok(serde_json::to_vec(&stored)?.into())
}

/// That there is no room (any more) after `place.last`.
pub(crate) fn encode_deleted(place: SnapshotHead) -> Result<Bytes, EncodeError> {
    let stored = StoredRef {
        format: FORMAT,
        epoch: place.epoch,
        generation: place.generation,
        last: place.last,
        hash: 0,
        state_hash: None,
        room: None,
        game: None,
    };
    Ok(serde_json::to_vec(&stored)?.into())
}

/// Where a snapshot stands; cheap.
pub(crate) fn decode_head(value: &[u8]) -> Result<SnapshotHead, DecodeError> {
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

/// The state of a snapshot as it is stored, and the hash that was stored with it; `None` if the room was deleted.
pub(crate) fn decode_state(
    value: &[u8],
) -> Result<Option<(StoredState, Option<StateHash>)>, DecodeError> {
    let stored: Stored<'_> = serde_json::from_slice(value)?;
    let (Some(room), Some(game)) = (stored.room, stored.game) else {
        return Ok(None);
    };
    let state = StoredState {
        room: room.to_owned(),
        game: game.to_owned(),
    };
    Ok(Some((state, stored.state_hash)))
}

/// The room of a snapshot, as of entry `last` (what of its place counts); `None` if it was deleted.
pub(crate) fn decode(
    games: &Games,
    id: &RoomId,
    value: &[u8],
    last: u64,
) -> Result<Option<Room>, DecodeError> {
    let stored: Stored<'_> = serde_json::from_slice(value)?;
    let (Some(state), Some(game)) = (stored.room, stored.game) else {
        return Ok(None);
    };
    let whole = match stored.state_hash {
        Some(hash) => hash == StateHash::of(state, game),
        None => stored.hash == xxh3_64(game.get().as_bytes()),
    };
    if !whole {
        return Err(DecodeError::Damaged);
    }
    let state: RoomState = serde_json::from_str(state.get())?;
    let kind = games
        .get(id.game())
        .ok_or_else(|| DecodeError::NoSuchGame(id.game().to_owned()))?;
    let game = kind.load(game.get())??;
    Ok(Some(Room::restore(id.clone(), game, state, last)))
}
