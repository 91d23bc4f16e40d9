//! Unloads idle rooms, and loads them again when an entry or an edge needs them (D13).
//!
//! The stored snapshot holds the whole room; only its timers and its instance stay in memory. While the snapshot is
//! being read, entries and interest requests wait in order.

use std::collections::VecDeque;

use grandstand_common::bus::KvEntry;
use grandstand_common::id::RoomId;

use super::faults;
use super::room_reads::Waiting;
use super::settle::settle;
use super::state::PartitionState;
use super::writing::{write_if_due, write_room};
use crate::command::Command;
use crate::context::Context;
use crate::stored::quarantine::QuarantineReason;

/// Queues an entry or an interest request for a stored room, and reads the room. Stops reading the log if too many
/// entries wait.
pub(super) fn queue(state: &mut PartitionState, cx: &mut Context, id: &RoomId, what: Waiting) {
    let mut pauses = false;
    if let Waiting::Entry(logged) = &what {
        state.coverage.mark_waiting(id, logged.seq);
        pauses = state.log.add_waiting();
    }
    state.room_reads.wait(cx, state.tenure, id, what);
    if pauses {
        let partition = state.tenure.id;
        cx.commands.push_back(Command::CloseLog { partition });
    }
}

/// Puts a room that was read into memory. Returns the entries and requests that waited for it. Handle them, then call
/// [`finish`].
pub(super) fn on_read(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    entry: Option<KvEntry>,
) -> VecDeque<Waiting> {
    let Some(waiting) = state.room_reads.take(id) else {
        return VecDeque::new();
    };
    let is_entry = |what: &&Waiting| matches!(what, Waiting::Entry(_));
    let entries = waiting.iter().filter(is_entry).count();
    state.log.remove_waiting(entries);
    let checkpoints = &state.checkpoints;
    let covered = |generation, last| checkpoints.covered(generation, last);
    match state.rooms.load(cx, id, entry, covered) {
        Some(change) => settle(state, cx, id, change),
        None => faults::quarantine(state, cx, id, QuarantineReason::Unavailable),
    }
    waiting
}

/// Ends the loading of a room after its waiting entries were handled. Resumes reading the log if few entries wait.
pub(super) fn finish(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    if state.coverage.end_waiting(id, cx.now.at) {
        write_room(state, cx, id);
    }
    state.update_idle(cx, id);
    if state.takeover.is_running()
        && let Some(from) = state.log.resume()
    {
        let partition = state.tenure.id;
        cx.commands.push_back(Command::OpenLog { partition, from });
    }
}

/// Drops rooms from memory that have been idle for the configured time. A room with uncovered entries is written first
/// (D32); it leaves memory once the write is acked.
pub(super) fn unload_idle(state: &mut PartitionState, cx: &mut Context) {
    for id in state.rooms.take_idle(cx.now.at) {
        if state.is_idle(&id) && !state.coverage.is_clean(&id) {
            state.coverage.set_urgent(&id, true, cx.now.at);
            write_if_due(state, cx, &id);
        } else if state.is_idle(&id)
            && let Some(change) = state.rooms.unload(&id)
        {
            settle(state, cx, &id, change);
        } else {
            state.update_idle(cx, &id);
        }
    }
}
