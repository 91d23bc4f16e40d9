//! Puts rooms in quarantine, and handles panics outside entries (D14, D29).

use grandstand_common::id::RoomId;

use super::state::PartitionState;
use crate::command::Command;
use crate::context::Context;
use crate::current_call::EntryId;
use crate::stored::quarantine::QuarantineReason;
use crate::stored::snapshot::SnapshotLimits;

/// Puts a room in quarantine: closes it for its edges and writes a quarantine record. If the room can be rebuilt as it
/// was before the fault, that state is stored, so that the room outlives its log (D29). Otherwise its stored snapshot
/// stays as it is.
pub(super) fn quarantine(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    why: QuarantineReason,
) {
    quarantine_because(state, cx, id, why, None);
}

/// Puts a room in quarantine, for this reason in words.
pub(super) fn quarantine_because(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    why: QuarantineReason,
    words: Option<String>,
) {
    let head = state.head(id);
    let exists = state.rooms.exists(id);
    state.close(cx, &head, exists, why.code());
    let first = state.coverage.first_of(id);
    let generation = state.checkpoints.generation();
    let config = &cx.config;
    let limits = SnapshotLimits::new(config.state_bytes, config.full_payload, config.value_bytes);
    let encode_whole = || {
        let outlet = state.outlets.items(id);
        let place = (state.tenure, generation);
        state.rooms.encode_whole(cx, id, &outlet, place, limits)
    };
    let whole = first.and_then(|_| encode_whole());
    let held = state.outlets.held_from(id);
    let seq = first.into_iter().chain(held).min();
    let seq = seq.unwrap_or(state.log.reached());
    if let Some(reader) = state.outlets.reader_of(id) {
        let partition = state.tenure.id;
        cx.commands
            .push_back(Command::CloseRoom { partition, reader });
    }
    state.outlets.end_hold(id);
    match &whole {
        Some(_) => drop(state.coverage.set_urgent(id, true, cx.now.at)),
        None => drop(state.coverage.clear(id)),
    }
    let mut change = state.rooms.quarantine(id, why, whole);
    state.update_machines(cx, id, &mut change);
    state
        .quarantine_records
        .quarantine(cx, state.tenure, id, (why, words), seq);
}

/// Handles a panic of a game outside entries: rebuilds the room, or puts it in quarantine.
pub(super) fn on_panic(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    tracing::error!(room = %id, "the game panicked outside an entry");
    if cx.is_stuck_at(id, EntryId::OUTSIDE) || !state.rooms.rebuild(cx, id) {
        quarantine(state, cx, id, QuarantineReason::Unavailable);
    }
}

/// Puts a room in quarantine whose world cannot go on.
pub(super) fn fail_world(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    why: QuarantineReason,
) {
    if why == QuarantineReason::Unavailable {
        cx.counts.panics += 1;
        tracing::error!(room = %id, "the game panicked while it moved its world");
    }
    quarantine(state, cx, id, why);
}
