//! Hands a partition over: stops reading the log, writes all uncovered rooms, then the checkpoint. The
//! successor reads from the log what cannot be written in time (D27).

use super::state::PartitionState;
use super::ticking;
use super::writing::{advance_checkpoint, delete_keys, write_room};
use crate::command::{Command, Outcome};
use crate::context::{Context, TenureState};

/// Begins the handover. It ends at once if the takeover is not complete, or not all stored rooms are known: nothing has
/// been written then.
pub(super) fn release(state: &mut PartitionState, cx: &mut Context) -> TenureState {
    if !state.takeover.is_ready() || !state.takeover.is_read() {
        return TenureState::Released;
    }
    state.takeover.release(cx.now.at);
    let partition = state.tenure.id;
    cx.commands.push_back(Command::CloseLog { partition });
    for id in state.coverage.write_all_now() {
        if state.coverage.is_due(&id, cx.now.at) {
            write_room(state, cx, &id);
        }
    }
    state.worlds.end(cx.now.at);
    if let TenureState::Lost(later) = ticking::drive(state, cx) {
        return TenureState::Lost(later);
    }
    try_release(state, cx)
}

/// Ends the handover if everything is written, or its time is over. The stored checkpoint says what is covered, so that
/// the successor reads the rest from the log.
pub(super) fn try_release(state: &mut PartitionState, cx: &mut Context) -> TenureState {
    if !state.takeover.is_releasing() {
        return TenureState::Held;
    }
    if state.takeover.is_release_overdue(cx.now.at) {
        let partition = state.tenure.id;
        let from = state.checkpoints.seq();
        let rooms = state.coverage.uncovered();
        tracing::warn!(%partition, from, rooms, "a handover took too long; the next owner reads from entry `from` what is not stored");
        return TenureState::Released;
    }
    if !state.is_covered() || !state.worlds.are_settled() {
        return TenureState::Held;
    }
    advance_checkpoint(state, cx);
    if state.checkpoints.is_settled() && !state.coverage.has_in_flight() {
        TenureState::Released
    } else {
        TenureState::Held
    }
}

/// Handles the outcome of a checkpoint's write. Once the checkpoint is stored, keys of deleted rooms are deleted.
pub(super) fn on_checkpoint_written(
    state: &mut PartitionState,
    cx: &mut Context,
    outcome: &Outcome,
) {
    let tenure = state.tenure;
    let covered = state.covered_to();
    if state.checkpoints.on_written(cx, tenure, covered, outcome) {
        delete_keys(state, cx);
    }
}

/// Handles the read that follows a failed write of the checkpoint.
pub(super) fn on_checkpoint_read_back(
    state: &mut PartitionState,
    cx: &mut Context,
    outcome: Outcome,
) -> TenureState {
    let is_read = matches!(outcome, Outcome::Value(_));
    let tenure = state.tenure;
    let ownership = state.checkpoints.on_read_back(cx.now.at, tenure, outcome);
    if is_read && ownership == TenureState::Held {
        advance_checkpoint(state, cx);
    }
    ownership
}
