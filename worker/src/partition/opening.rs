//! Opens a partition: claims its checkpoint, loads its rooms, and catches up with its log (D9 to D11).

use std::collections::BTreeMap;

use grandstand_common::bus::{KvEntry, LogState};
use grandstand_common::id::{Instance, RoomId};

use super::state::PartitionState;
use super::takeover::{Step, StoredRooms};
use crate::command::{Command, KvSource, Outcome};
use crate::context::{Context, Ownership};
use crate::stored::quarantine::QuarantineReason;
use crate::stored::snapshot;

/// Begins the takeover, or begins it again after a step failed.
pub(super) fn begin(state: &mut PartitionState, cx: &mut Context) {
    state.checkpoints.begin();
    state.takeover.begin(cx, state.tenure);
}

/// Handles the outcome of a step's command.
pub(super) fn on_outcome(
    state: &mut PartitionState,
    cx: &mut Context,
    outcome: Outcome,
) -> Ownership {
    match state.takeover.on_outcome(cx.now.at, outcome) {
        Step::Wait => {}
        Step::Claim(entry) => {
            if let Err(later) = state.checkpoints.claim(cx, state.tenure, entry) {
                return Ownership::Lost(later);
            }
        }
        Step::Claimed(revision) => {
            state.checkpoints.on_takeover_stored(revision);
            try_measure(state, cx);
        }
        Step::Measure(log) => on_measured(state, cx, log),
        Step::Cut(revision) => {
            state.checkpoints.on_takeover_stored(revision);
            load(state, cx);
        }
    }
    Ownership::Held
}

/// Handles a key of the partition. `behind` more keys were stored when it was sent.
pub(super) fn handle_key(
    state: &mut PartitionState,
    cx: &mut Context,
    source: KvSource,
    (entry, behind): (KvEntry, u64),
) -> Ownership {
    if !state.takeover.is_reading() {
        return Ownership::Held;
    }
    if let Some(later) = state.takeover.on_key(state.tenure, source, entry) {
        return Ownership::Lost(later);
    }
    if behind == 0 {
        state.takeover.on_keys_end(source);
        try_measure(state, cx);
    }
    Ownership::Held
}

/// Handles the end of the keys: their reader has delivered all stored ones.
pub(super) fn handle_keys_idle(state: &mut PartitionState, cx: &mut Context, source: KvSource) {
    if state.takeover.is_reading() {
        state.takeover.on_keys_end(source);
        try_measure(state, cx);
    }
    let claimed = state.checkpoints.revision();
    state.takeover.check_barrier(cx.now.at, source, claimed);
}

/// Handles the failure of a reader of keys during a takeover.
pub(super) fn handle_keys_lost(state: &mut PartitionState, cx: &mut Context, source: KvSource) {
    if state.takeover.is_reading() {
        state.takeover.on_reader_lost(cx, state.tenure, source);
    }
}

/// Looks up where the log begins and ends, once the rooms are read up to the barrier (D10).
fn try_measure(state: &mut PartitionState, cx: &mut Context) {
    let claimed = state.checkpoints.revision();
    state.takeover.try_measure(cx, state.tenure, claimed);
}

/// Records a cut if the log lacks entries that rooms cover (D11). Otherwise loads the rooms.
fn on_measured(state: &mut PartitionState, cx: &mut Context, log: LogState) {
    let checkpoints = &state.checkpoints;
    let covered = |generation, last| checkpoints.covered(generation, last);
    let reached = state.takeover.reached(covered);
    let reached = reached.max(checkpoints.seq().saturating_sub(1));
    let tenure = state.tenure;
    if state.checkpoints.write_measured(cx, tenure, reached, log) {
        state.takeover.begin_cut();
    } else {
        load(state, cx);
    }
}

/// Loads the rooms and quarantine records that were read, and opens the log at the first uncovered entry.
fn load(state: &mut PartitionState, cx: &mut Context) {
    let StoredRooms { rooms, records } = state.takeover.begin_replay();
    let mut written = BTreeMap::new();
    for (id, entry) in rooms {
        if records.contains_key(&id) {
            let head = entry.value.as_deref().map(snapshot::decode_head);
            written.insert(id.clone(), head.and_then(Result::ok));
        }
        let (partition, revision) = (state.tenure.id, entry.revision);
        let checkpoints = &state.checkpoints;
        let covered = |generation, last| checkpoints.covered(generation, last);
        match state.rooms.load_at_takeover(cx, &id, entry, covered) {
            Ok(mut change) => {
                state.update_machines(cx, &id, &mut change);
                if let Some(deleted) = state.rooms.deleted(&id) {
                    state.coverage.add_deleted(&id, deleted);
                }
            }
            Err(error) => {
                tracing::error!(room = %id, %partition, revision, %error, "cannot use a stored snapshot; it stays unchanged");
                cx.counts.count_unusable(&error);
                let (seq, revision) = match records.get(&id) {
                    Some((record, revision)) => (record.seq, *revision),
                    None => (state.checkpoints.seq(), 0),
                };
                state.quarantine_records.add_unstored(
                    id,
                    (QuarantineReason::Unavailable, seq),
                    revision,
                );
            }
        }
    }
    let mut from = state.checkpoints.seq();
    for (id, (record, revision)) in records {
        if record.build == cx.config.build {
            let why = QuarantineReason::from_code(&record.code);
            let mut change = state.rooms.quarantine(&id, why, None);
            state.update_machines(cx, &id, &mut change);
            state.quarantine_records.add_stored(id, &record, revision);
        } else {
            // A later owner's snapshot contains all entries that the log had.
            let head = written.get(&id).copied().flatten();
            let is_later = head.is_some_and(|head| head.epoch > record.epoch);
            let covered = head.map_or(0, |h| state.checkpoints.covered(h.generation, h.last));
            let next = (covered + 1).max(record.seq);
            if !is_later && next < state.takeover.log_first() {
                restart(state, cx, &id, next);
            }
            from = from.min(record.seq);
            state.quarantine_records.retry(id, revision);
        }
    }
    state.log.seek(from);
    for id in state.quarantine_records.unstored() {
        state.quarantine_records.write(cx, state.tenure, &id);
    }
    let partition = state.tenure.id;
    cx.commands.push_back(Command::OpenLog { partition, from });
    state.checkpoints.on_loaded(cx.now.at);
}

/// Lets a room in quarantine go on from its snapshot as another instance, because entries after the snapshot are gone
/// from the log (D29). Its clients are told by the new instance that the inputs in between failed.
fn restart(state: &mut PartitionState, cx: &Context, id: &RoomId, seq: u64) {
    if state.rooms.get(id).is_none() {
        tracing::error!(room = %id, seq, "a room in quarantine has no usable snapshot, and its log is gone");
        return;
    }
    tracing::warn!(room = %id, seq, "a room in quarantine goes on as a new instance: entries after its snapshot are gone from the log");
    state.rooms.restart(id, Instance::of(seq, cx.now.log_ms));
    state.coverage.mark(id, seq, (0, 0), cx.now.at);
}

/// Makes the partition ready after the log was read to the end that it had at the takeover.
pub(super) fn on_caught_up(state: &mut PartitionState, cx: &mut Context) {
    if !state.takeover.catch_up() {
        return;
    }
    for id in state.quarantine_records.end_retries() {
        if state.coverage.is_clean(&id) {
            state.quarantine_records.delete(cx, state.tenure, &id);
        } else {
            state.coverage.set_urgent(&id, true, cx.now.at);
        }
    }
    for id in state.rooms.ids() {
        state.timers.set(&id, state.rooms.timers(&id), cx.now);
        state.update_idle(cx, &id);
    }
    cx.commands.push_back(Command::Ready {
        partition: state.tenure.id,
        epoch: state.tenure.epoch,
    });
}
