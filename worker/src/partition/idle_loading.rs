//! Loads stored rooms when an entry, an edge or a timer needs them, and unloads idle ones (D13, D25).
//!
//! The stored snapshot holds the whole room; only its instance and the time of its next timer stay in memory. While the
//! snapshot is being read, entries and interest requests wait in order.

use std::collections::VecDeque;

use bytes::Bytes;
use grandstand_common::id::{Epoch, Instance, RoomId};
use grandstand_game::host::LoadError as GameError;

use super::change::{Change, ResidenceChange};
use super::decode_room::{FoundSnapshot, LoadError};
use super::faults;
use super::known_room::KnownRoom;
use super::opening;
use super::room_reads::WaitingEvent;
use super::settle::settle;
use super::state::PartitionState;
use super::writing::{write_if_due, write_room};
use crate::command::{Command, Outcome};
use crate::context::{Context, TenureState};
use crate::loads::{Load, StoredValue, Urgency};
use crate::stored::error::DecodeError;
use crate::stored::head::SnapshotHead;
use crate::stored::quarantine::QuarantineReason;
use crate::stored::snapshot;

/// The most rooms with due timers that are queued at once. Further ones follow when these are being read.
const MAX_DUE: usize = 64;

/// Queues an entry or an interest request for a stored room, which is read. Stops reading the log if too many entries
/// wait.
pub(super) fn queue(state: &mut PartitionState, cx: &mut Context, id: &RoomId, what: WaitingEvent) {
    let mut pauses = false;
    if let WaitingEvent::Entry(logged) = &what {
        state.coverage.mark_waiting(id, logged.seq);
        pauses = state.log.add_waiting();
    }
    state.room_reads.wait(id, what, Urgency::Now);
    if pauses {
        let partition = state.tenure.id;
        cx.commands.push_back(Command::CloseLog { partition });
    }
}

/// Begins to read rooms: those that something waits for, then those whose timers are due.
pub(super) fn begin_reads(state: &mut PartitionState, cx: &mut Context) {
    if !state.takeover.is_measured() {
        return;
    }
    if state.takeover.is_ready() {
        want_due(state, cx);
    }
    let rooms = &state.rooms;
    let known = |id: &RoomId| rooms.revision(id);
    state.room_reads.begin(cx, state.tenure, known);
}

/// Queues the stored rooms whose timers are due, unless others are queued.
fn want_due(state: &mut PartitionState, cx: &Context) {
    if state.room_reads.has_later() {
        return;
    }
    for _ in 0..MAX_DUE {
        let Some(id) = state.rooms.known_mut().pop_due(cx.now.log_ms) else {
            return;
        };
        state.room_reads.want_later(&id);
    }
}

/// Handles the outcome of the read of a stored room. Its turn to be loaded comes later.
pub(super) fn on_outcome(
    state: &mut PartitionState,
    cx: &mut Context,
    room: RoomId,
    outcome: Outcome,
) -> TenureState {
    let Outcome::Value(entry) = outcome else {
        state.room_reads.on_failed(&room, cx.now.at);
        return TenureState::Held;
    };
    if let Some(later) = state.tenure.superseded_by(entry.as_ref()) {
        return TenureState::Lost(later);
    }
    // A get is never older than what was acked before it, and the key of a stored room is never removed. If it is gone,
    // the bucket is another one, and the log is read for what it still has.
    let known = state.room_reads.known(&room).unwrap_or(0);
    let is_older = match &entry {
        Some(entry) => entry.revision < known,
        None => {
            let stored = state.rooms.known().get(&room);
            known > 0 && stored.is_some_and(KnownRoom::is_stored)
        }
    };
    if is_older {
        return TenureState::RolledBack;
    }
    cx.loads.add(Load {
        partition: state.tenure.id,
        room,
        stored: entry.map(StoredValue::from),
    });
    TenureState::Held
}

/// Whether a later snapshot of a room was found after its read began, so that `revision` is out of date.
fn is_outdated(state: &PartitionState, id: &RoomId, revision: u64) -> bool {
    let current = state.rooms.revision(id);
    revision < current
        && state
            .room_reads
            .known(id)
            .is_some_and(|known| known < current)
}

/// Puts a room that was read into memory. Returns the events that waited for it. Handle them, then call [`finish`].
pub(super) fn on_read(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    stored: Option<StoredValue>,
) -> VecDeque<WaitingEvent> {
    let revision = stored.as_ref().map_or(0, |stored| stored.revision);
    if is_outdated(state, id, revision) {
        state.room_reads.read_again(id);
        return VecDeque::new();
    }
    let Some(waiting) = state.room_reads.take(id) else {
        return VecDeque::new();
    };
    // The value that a takeover kept meanwhile is older than the one that follows.
    cx.loads.take_kept(state.tenure.id, id);
    let is_entry = |what: &&WaitingEvent| matches!(what, WaitingEvent::Entry(_));
    let entries = waiting.iter().filter(is_entry).count();
    state.log.remove_waiting(entries);
    state.rooms.known_mut().set_looked_for(Some(id));
    let mut place = None;
    match stored.and_then(|stored| stored.value) {
        Some(value) => place = load(state, cx, id, value, revision),
        None if state.rooms.known_mut().find_nothing(id, revision) => {
            let change = Change {
                residence: ResidenceChange::Wiped,
                edges: Some(Vec::new()),
                ..Change::default()
            };
            settle(state, cx, id, change);
        }
        None => {}
    }
    for what in &waiting {
        if let WaitingEvent::Retried(epoch, seq) = what {
            restart_if_gone(state, cx, id, place, (*epoch, *seq));
        }
    }
    waiting
}

/// Loads a room from its value, or puts it in quarantine. Returns the head of its snapshot.
fn load(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    value: Bytes,
    revision: u64,
) -> Option<SnapshotHead> {
    let loaded = snapshot::decode_head(&value)
        .map_err(LoadError::from)
        .and_then(|place| {
            let covered = opening::covered(state, cx, place);
            let is_earlier = place.epoch < state.tenure.epoch;
            let found = FoundSnapshot {
                value: value.clone(),
                revision,
                covered,
                is_earlier,
            };
            let change = state.rooms.load(cx, id, found)?;
            Ok((place, change))
        });
    match loaded {
        Ok((place, change)) => {
            settle(state, cx, id, change);
            if let Some(deleted) = state.rooms.deleted(id) {
                state.coverage.add_deleted(id, deleted);
            }
            Some(place)
        }
        Err(LoadError::Decode(DecodeError::Load(GameError::TooNew { stored, .. }))) => {
            let place = snapshot::decode_head(&value).ok()?;
            let covered = opening::covered(state, cx, place);
            opening::leave_too_new(state, cx, id, stored, Some((covered, revision)));
            Some(place)
        }
        Err(error) => {
            tracing::error!(room = %id, partition = %state.tenure.id, revision, %error, "cannot use a stored snapshot; it stays unchanged");
            match &error {
                LoadError::Decode(error) => cx.counts.count_unusable(error),
                LoadError::Changed => cx.counts.damaged += 1,
            }
            state.rooms.known_mut().find_unusable(id, revision);
            let words = Some(error.to_string());
            faults::quarantine_because(state, cx, id, QuarantineReason::Unavailable, words);
            None
        }
    }
}

/// Restarts a room in quarantine from its snapshot as another instance if entries after the snapshot are gone from
/// the log (D29). Its clients are told by the new instance that the inputs in between failed. `record` is the epoch and
/// the first uncovered entry of its quarantine record.
fn restart_if_gone(
    state: &mut PartitionState,
    cx: &Context,
    id: &RoomId,
    place: Option<SnapshotHead>,
    record: (Epoch, u64),
) {
    // A later owner's snapshot contains all entries that the log had.
    if state.rooms.refusal(id).is_some() {
        return;
    }
    let is_later = place.is_some_and(|place| place.epoch > record.0);
    let covered = place.map_or(0, |p| state.checkpoints.covered(p.generation, p.last));
    let seq = (covered + 1).max(record.1);
    if is_later || seq >= state.takeover.log_first() {
        return;
    }
    if state.rooms.get(id).is_none() {
        tracing::error!(room = %id, seq, "a room in quarantine has no usable snapshot, and its log is gone");
        return;
    }
    tracing::warn!(room = %id, seq, "a room in quarantine goes on as a new instance: entries after its snapshot are gone from the log");
    state
        .rooms
        .restart(id, Instance::from_entry(seq, cx.now.log_ms));
    state.coverage.mark(id, seq, (0, 0), cx.now.at);
}

/// Ends the loading of a room after what waited for it was handled. Resumes reading the log if few entries wait.
pub(super) fn finish(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    state.rooms.known_mut().set_looked_for(None);
    if state.rooms.known().get(id).is_none() {
        // The room does not exist, so there is nothing to cover.
        state.coverage.clear(id);
    } else if state.coverage.end_waiting(id, cx.now.at) {
        write_room(state, cx, id);
    }
    state.update_idle(cx, id);
    if state.quarantine_records.has_retried() {
        opening::end_retries(state, cx);
    }
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
        if state.rooms.has_due_timer(&id, cx.now.log_ms) || !state.worlds.may_unload(&id) {
            // It would be loaded again at once, for its timer.
            state.rooms.set_idle(cx, &id, false);
            state.update_idle(cx, &id);
        } else if state.is_idle(&id) && !state.coverage.is_clean(&id) {
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
