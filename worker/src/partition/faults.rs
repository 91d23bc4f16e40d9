//! Puts rooms in quarantine, and handles panics outside entries (D14).

use grandstand_common::id::RoomId;

use super::state::PartitionState;
use crate::context::Context;
use crate::stored::quarantine::QuarantineReason;

/// Puts a room in quarantine: closes it for its edges and writes a quarantine record. Its stored snapshot stays as it
/// is.
pub(super) fn quarantine(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    why: QuarantineReason,
) {
    let (head, exists) = (state.head(id), state.rooms.exists(id));
    state.close(cx, &head, exists, why.code());
    let seq = state.coverage.clear(id).unwrap_or(state.log.reached());
    let mut change = state.rooms.quarantine(id, why);
    state.update_machines(cx, id, &mut change);
    state.update_ticks(cx, id);
    state
        .quarantine_records
        .quarantine(cx, state.tenure, id, (why, seq));
}

/// Handles a panic of a game outside entries: rebuilds the room with a new volatile part, or puts it in
/// quarantine.
pub(super) fn on_panic(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    tracing::error!(room = %id, "the game panicked outside an entry");
    if !state.rooms.rebuild(cx, id) {
        quarantine(state, cx, id, QuarantineReason::Unavailable);
    }
}
