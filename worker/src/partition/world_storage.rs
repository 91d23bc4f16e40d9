//! Reads the stored worlds of rooms in real time, and stores worlds.

use grandstand_common::bus::{Bucket, KvEntry};
use grandstand_common::id::RoomId;
use grandstand_common::subject;
use grandstand_game::host::{Panicked, World};

use super::faults;
use super::state::PartitionState;
use crate::command::{Command, Outcome};
use crate::context::{Context, TenureState};
use crate::current_call::EntryId;
use crate::requests::Purpose;
use crate::room::{StampedWorld, WorldText};
use crate::stored::quarantine::QuarantineReason;
use crate::stored::world::{self, MAX_WORLD_BYTES};

/// Begins to read a world from its bucket.
pub(super) fn read(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    let token = cx.request(state.tenure.id, Purpose::ReadWorld(id.clone()));
    cx.commands.push_back(Command::Get {
        bucket: Bucket::Worlds,
        key: subject::world_key(id),
        token,
    });
    if let Some(world) = state.worlds.get_mut(id) {
        world.on_read_begun();
    }
}

/// Handles the outcome of the read of a world.
pub(super) fn on_read(
    state: &mut PartitionState,
    cx: &Context,
    id: &RoomId,
    outcome: Outcome,
) -> TenureState {
    let read = match outcome {
        Outcome::Value(entry) => {
            if let Some(later) = state.tenure.superseded_by(entry.as_ref()) {
                return TenureState::Lost(later);
            }
            let revision = entry.as_ref().map_or(0, |entry| entry.revision);
            Some((found(state, id, entry), revision))
        }
        _ => None,
    };
    let now = cx.now.at;
    state
        .worlds
        .change(id, now, |world| world.on_read(read, now));
    TenureState::Held
}

/// The stored world of a room's instance.
fn found(state: &PartitionState, id: &RoomId, entry: Option<KvEntry>) -> Option<StampedWorld> {
    let value = entry?.value?;
    world::decode(&value, state.rooms.instance(id))
        .inspect_err(|error| {
            tracing::error!(room = %id, %error, "a stored world cannot be read; the room goes on without it");
        })
        .ok()
        .flatten()
}

/// Returns a room's world as it is, or puts the room in quarantine. `None` as well if worlds of its game are not stored.
pub(super) fn stamped(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
) -> Option<StampedWorld> {
    let world = state.worlds.get(id)?.world()?;
    let tick = world.number();
    let stored = cx.call(id, EntryId::OUTSIDE, || {
        grandstand_game::host::guard(|| World::store(world))
    });
    let text = match stored {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => {
            tracing::error!(room = %id, %error, "a world cannot be serialized");
            faults::fail_world(state, cx, id, QuarantineReason::Unavailable);
            return None;
        }
        Err(Panicked) => {
            faults::fail_world(state, cx, id, QuarantineReason::Unavailable);
            return None;
        }
    };
    let bytes = text.get().len();
    if bytes > MAX_WORLD_BYTES {
        tracing::error!(room = %id, bytes, max = MAX_WORLD_BYTES, "a world is too big to be stored");
        faults::fail_world(state, cx, id, QuarantineReason::TooBig);
        return None;
    }
    Some(StampedWorld {
        epoch: state.tenure.epoch,
        tick,
        version: cx.games.version(id.game()),
        text: WorldText(text),
    })
}

/// Writes a world into its bucket.
pub(super) fn store(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    let now = cx.now.at;
    if !cx.requests.can_write() {
        state
            .worlds
            .change(id, now, |known| known.postpone_write(now));
        return;
    }
    let Some(stamped) = stamped(state, cx, id) else {
        return;
    };
    let Ok(value) = world::encode(state.rooms.instance(id), stamped) else {
        return faults::fail_world(state, cx, id, QuarantineReason::Unavailable);
    };
    let Some(known) = state.worlds.get_mut(id) else {
        return;
    };
    known.on_write_begun();
    let token = cx.request(state.tenure.id, Purpose::WriteWorld(id.clone()));
    cx.counts.worlds_stored += 1;
    cx.commands.push_back(Command::PutIf {
        bucket: Bucket::Worlds,
        key: subject::world_key(id),
        value,
        expected: known.revision(),
        token,
    });
}

/// Handles the outcome of the write of a world. If it failed, the stored world is read for its revision.
pub(super) fn on_written(state: &mut PartitionState, cx: &Context, id: &RoomId, outcome: &Outcome) {
    let revision = match outcome {
        Outcome::Stored(revision) => Some(*revision),
        _ => None,
    };
    let now = cx.now.at;
    state
        .worlds
        .change(id, now, |known| known.on_written(revision, now));
}
