//! Writes snapshots of rooms, quarantine records and checkpoints, and deletes the keys of deleted rooms (D8, D9, D12,
//! D14).

use grandstand_common::bus::Bucket;
use grandstand_common::id::{Epoch, RoomId};
use grandstand_common::subject;

use super::state::PartitionState;
use super::{deleted_worlds, faults};
use crate::command::{Command, Outcome};
use crate::context::{Context, TenureState};
use crate::current_call::EntryId;
use crate::requests::Purpose;
use crate::room::Room;
use crate::stored::quarantine::QuarantineReason;
use crate::stored::snapshot::{EncodeError, SnapshotLimits};

/// Writes a room's snapshot, or postpones it if too many writes are in flight, or the lease does not say yet that the
/// partition needs this version of the game (D34). A room that cannot be stored goes to quarantine.
pub(super) fn write_room(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    // A room that runs again after a quarantine is written once it has all of its log, so that its snapshot covers what
    // its record protects (D29). No room is written before all are known, because one of them may show a cut (D11).
    if !cx.requests.can_write()
        || state.quarantine_records.is_retried(id)
        || !state.takeover.is_read()
    {
        state.coverage.postpone(id, cx.now.at);
        return;
    }
    // Deleting the room would drop the items that are not acked.
    if state.rooms.deleted(id).is_some() && state.outlets.is_busy(id) {
        state.coverage.postpone(id, cx.now.at);
        return;
    }
    let version = cx.games.version(id.game());
    if state.rooms.deleted(id).is_none() && !state.needs.allows(id.game(), version) {
        state.needs.raise(cx, state.tenure, id.game(), version);
        state.coverage.postpone(id, cx.now.at);
        return;
    }
    let generation = state.checkpoints.generation();
    let config = &cx.config;
    let limits = SnapshotLimits::new(config.state_bytes, config.full_payload, config.value_bytes);
    cx.current_call.begin(id, EntryId::OUTSIDE);
    let outlet = state.outlets.items(id);
    let place = (state.tenure, generation);
    let encoded = state.rooms.encode(id, &outlet, place, limits);
    cx.current_call.end();
    let value = match encoded {
        Some(Ok(value)) => value,
        Some(Err(error @ EncodeError::TooBig { .. })) => {
            tracing::error!(room = %id, %error, "a room is too big to be stored");
            faults::quarantine(state, cx, id, QuarantineReason::TooBig);
            return;
        }
        Some(Err(error @ EncodeError::NotTaken { .. })) => {
            if state.coverage.hold(id, cx.now.at) {
                tracing::error!(
                    room = %id, %error,
                    "a room cannot be stored; it goes on in memory and in the log until NATS takes it: raise max_payload of \
                     NATS, and max_msg_size of its streams KV_rooms_*"
                );
            }
            return;
        }
        Some(Err(error @ EncodeError::Items { .. })) => {
            if state.coverage.hold(id, cx.now.at) {
                tracing::error!(room = %id, %error, "a room is stored once NATS has taken what it has sent out");
            }
            return;
        }
        Some(Err(error)) => {
            tracing::error!(room = %id, %error, "cannot encode a room's snapshot");
            faults::quarantine(state, cx, id, QuarantineReason::Unavailable);
            return;
        }
        None => return,
    };
    state.coverage.begin_write(id);
    state.outlets.set_stored(id);
    let token = cx.request(state.tenure.id, Purpose::WriteRoom(id.clone()));
    cx.commands.push_back(Command::PutIf {
        bucket: Bucket::Rooms(state.tenure.id),
        key: subject::room_key(state.tenure.id, id),
        value,
        expected: state.rooms.revision(id),
        token,
    });
}

/// Schedules the write of a room whose items are all acked, if its snapshot still has some.
pub(super) fn write_without_items(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    state.coverage.retry(id, cx.now.at);
    let Some(last) = state.rooms.get(id).map(Room::last) else {
        return;
    };
    let sizes = (0, state.rooms.snapshot_bytes(id));
    if state.outlets.is_outdated(id) && state.coverage.mark(id, last, sizes, cx.now.at) {
        write_room(state, cx, id);
    }
}

/// Writes the rooms that are due.
pub(super) fn write_due(state: &mut PartitionState, cx: &mut Context) {
    for id in state.coverage.take_due(cx.now.at) {
        write_room(state, cx, &id);
    }
}

/// Writes the room that has waited longest, if the replay of all uncovered entries would take too long (D32). Each entry
/// leads to at most one such write, so a turn stays short.
pub(super) fn write_oldest(state: &mut PartitionState, cx: &mut Context) {
    if cx.requests.can_write()
        && let Some(id) = state.coverage.oldest_beyond(cx.replay_limit())
    {
        write_room(state, cx, &id);
    }
}

/// Writes a room if it is due.
pub(super) fn write_if_due(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    if state.coverage.is_due(id, cx.now.at) {
        write_room(state, cx, id);
    }
}

/// Handles the outcome of a room's write. If the write failed, the stored value is read.
pub(super) fn on_written(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    outcome: Outcome,
) {
    if let Outcome::Stored(revision) = outcome {
        state.rooms.set_revision(id, revision);
        let deleted = state.rooms.deleted(id);
        if state.coverage.on_written(id, deleted, cx.now.at) {
            tracing::info!(room = %id, "NATS takes the room again");
        }
        if state.coverage.is_clean(id) {
            state.rooms.on_whole_stored(id);
        }
        state.quarantine_records.delete(cx, state.tenure, id);
        advance_checkpoint(state, cx);
        continue_writing(state, cx, id);
        return;
    }
    let conflict = outcome == Outcome::Conflict;
    state.coverage.on_failed(id, conflict, cx.now.at);
    let token = cx.request(state.tenure.id, Purpose::ReadBackRoom(id.clone()));
    cx.commands.push_back(Command::Get {
        bucket: Bucket::Rooms(state.tenure.id),
        key: subject::room_key(state.tenure.id, id),
        token,
    });
}

/// Handles the read that follows a failed write of a room. A later owner's value means that the partition is lost. Any
/// other value is overwritten: its revision is adopted, never its content.
pub(super) fn on_read_back(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    outcome: Outcome,
) -> TenureState {
    if let Some(later) = later_owner(state, &outcome) {
        return TenureState::Lost(later);
    }
    let read = match outcome {
        Outcome::Value(entry) => {
            let revision = entry.as_ref().map_or(0, |entry| entry.revision);
            // A get is never older than what was acked. A delete marker may have expired.
            if entry.is_some() && revision < state.rooms.revision(id) {
                return TenureState::RolledBack;
            }
            state.rooms.set_revision(id, revision);
            true
        }
        _ => false,
    };
    state.coverage.on_read_back(id, read, cx.now.at);
    continue_writing(state, cx, id);
    TenureState::Held
}

/// The epoch of the later owner that wrote the value that was read, if one did.
fn later_owner(state: &PartitionState, outcome: &Outcome) -> Option<Epoch> {
    match outcome {
        Outcome::Value(entry) => state.tenure.superseded_by(entry.as_ref()),
        _ => None,
    }
}

/// Deletes the keys of rooms whose deletion lies before the checkpoint.
pub(super) fn delete_keys(state: &mut PartitionState, cx: &mut Context) {
    while cx.requests.can_write() && state.takeover.is_read() {
        let Some(id) = state.coverage.pop_deleted(state.checkpoints.seq()) else {
            return;
        };
        if state.rooms.deleted(&id).is_none() || state.coverage.is_in_flight(&id) {
            continue;
        }
        state.coverage.begin_deletion(&id);
        deleted_worlds::begin(state, cx, &id);
        let token = cx.request(state.tenure.id, Purpose::DeleteRoom(id.clone()));
        cx.commands.push_back(Command::DeleteIf {
            bucket: Bucket::Rooms(state.tenure.id),
            key: subject::room_key(state.tenure.id, &id),
            expected: state.rooms.revision(&id),
            token,
        });
    }
}

/// Handles the outcome of the deletion of a room's key.
pub(super) fn on_deletion(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    outcome: &Outcome,
) {
    state.coverage.on_deletion(id, cx.now.at);
    let is_deleted = state.rooms.deleted(id).is_some();
    if let Outcome::Stored(revision) = outcome {
        state.rooms.set_revision(id, *revision);
        if is_deleted && state.coverage.is_clean(id) {
            state.rooms.on_key_deleted(id, *revision);
        }
    } else if is_deleted {
        // The key stays until the room is created again or the next owner deletes the key.
        tracing::debug!(room = %id, "cannot delete the key of a deleted room");
    }
    continue_writing(state, cx, id);
}

/// Handles the outcome of a quarantine record's write. If the write failed, the stored record is read.
pub(super) fn on_record_written(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    outcome: &Outcome,
) {
    if let Outcome::Stored(revision) = outcome {
        state.quarantine_records.on_stored(id, *revision);
        advance_checkpoint(state, cx);
        return;
    }
    let conflict = *outcome == Outcome::Conflict;
    state
        .quarantine_records
        .on_failed(cx, state.tenure, id, conflict);
}

/// Handles the read that follows a failed write of a quarantine record.
pub(super) fn on_record_read_back(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    outcome: Outcome,
) -> TenureState {
    if let Some(later) = later_owner(state, &outcome) {
        return TenureState::Lost(later);
    }
    let read = match outcome {
        Outcome::Value(entry) => Some(entry),
        _ => None,
    };
    state
        .quarantine_records
        .on_read_back(cx, state.tenure, id, read);
    TenureState::Held
}

/// Writes the checkpoint if snapshots cover more of the log and the last write is old enough. During a handover it is
/// written at once.
pub(super) fn advance_checkpoint(state: &mut PartitionState, cx: &mut Context) {
    let releasing = state.takeover.is_releasing();
    if state.takeover.is_running() || releasing {
        let covered = state.covered_to();
        let tenure = state.tenure;
        state.checkpoints.advance(cx, tenure, covered, releasing);
    }
}

/// Begins the next writes and deletions after one of a room has ended.
fn continue_writing(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    delete_keys(state, cx);
    write_if_due(state, cx, id);
    state.update_idle(cx, id);
}
