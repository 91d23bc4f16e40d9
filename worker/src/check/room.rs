//! The check of one stored room.

use grandstand_common::data::Data;
use grandstand_common::id::{Epoch, Lane, RoomId};
use grandstand_game::Games;
use grandstand_game::host::hash::of_json;
use grandstand_game::host::{LoadError, Panicked, StateHash};
use xxhash_rust::xxh3::xxh3_64;

use super::report::FaultKind;
use crate::room::Room;
use crate::stored::head::SnapshotHead;
use crate::stored::snapshot::{self, DecodeError, EncodeError, SnapshotLimits, StoredState};

/// The kind of a fault, and the fault in words.
pub(super) type Fault = (FaultKind, String);

/// The part of a loaded room that is compared.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    state: StateHash,
    /// Digests of the views, by [`Lane::index`].
    views: [u64; 2],
    /// Digests of the players' private views.
    private: Vec<u64>,
}

/// Returns the version of the game that stored the room; `None` if the room was deleted.
pub(super) fn stored_version(value: &[u8]) -> Result<Option<u32>, Fault> {
    let summary = snapshot::summarize(value);
    let summary = summary.map_err(|error| (FaultKind::Unreadable, words(&error)))?;
    Ok(summary.head.map(|head| head.version))
}

/// Loads a room twice, stores it, and loads it once more. It must always be the same.
pub(super) fn check_room(
    games: &Games,
    id: &RoomId,
    value: &[u8],
    limits: SnapshotLimits,
) -> Result<(), Fault> {
    let (Some(mut first), Some(mut again)) = (load(games, id, value)?, load(games, id, value)?)
    else {
        return Ok(());
    };
    let shown = show(&mut first)?;
    if shown != show(&mut again)? {
        return Err(differs("loaded once more"));
    }
    let place = SnapshotHead {
        epoch: Epoch(0),
        generation: 0,
        last: 0,
    };
    let stored = snapshot::encode(&first, &[], place, limits).map_err(not_stored)?;
    let mut reloaded = load(games, id, &stored)?.ok_or_else(|| differs("stored"))?;
    if shown == show(&mut reloaded)? {
        Ok(())
    } else {
        Err(differs("stored and loaded once more"))
    }
}

/// Loads a room; `None` if it was deleted.
pub(super) fn load(games: &Games, id: &RoomId, value: &[u8]) -> Result<Option<Room>, Fault> {
    snapshot::decode(games, id, value, 0).map_err(|error| (kind(&error), words(&error)))
}

fn show(room: &mut Room) -> Result<Shown, Fault> {
    let mut views = [0; 2];
    for lane in Lane::ALL {
        let view = room.view(lane).map_err(|error| panics(error, "shown"))?;
        views[lane.index()] = view.data.as_ref().map_or(0, digest);
    }
    let players = room.state().players.keys();
    let private = players.map(|player| {
        let private = room.game().private(player);
        let private = private.map_err(|error| panics(error, "shown to a player"))?;
        Ok(private.as_ref().map_or(0, digest))
    });
    let private = private.collect::<Result<_, Fault>>()?;
    Ok(Shown {
        state: StoredState::new(room).map_err(not_stored)?.hash(),
        views,
        private,
    })
}

/// A digest in which the order of an object's keys does not matter.
fn digest(data: &Data) -> u64 {
    match data {
        Data::Json(text) => of_json(text),
        Data::Binary(bytes) => xxh3_64(bytes),
    }
}

fn kind(error: &DecodeError) -> FaultKind {
    match error {
        DecodeError::Panicked(_) => FaultKind::Panics,
        DecodeError::Load(LoadError::TooNew { .. }) => FaultKind::TooNew,
        DecodeError::Load(LoadError::Outdated { .. }) => FaultKind::NotMigrated,
        DecodeError::Load(LoadError::Json(_)) => FaultKind::NotLoaded,
        DecodeError::Json(_) | DecodeError::Format(_) | DecodeError::Damaged => {
            FaultKind::Unreadable
        }
    }
}

fn words(error: &DecodeError) -> String {
    match error {
        DecodeError::Panicked(_) => "the game panics when the room is loaded".to_owned(),
        error => format!("the stored state {error}"),
    }
}

fn not_stored(error: EncodeError) -> Fault {
    match error {
        EncodeError::Panicked(error) => panics(error, "stored"),
        error => (FaultKind::NotStored, format!("the room {error}")),
    }
}

pub(super) fn panics(_: Panicked, when: &str) -> Fault {
    (
        FaultKind::Panics,
        format!("the game panics when the room is {when}"),
    )
}

fn differs(after: &str) -> Fault {
    (
        FaultKind::Differs,
        format!("the room is another one after it was {after}"),
    )
}
