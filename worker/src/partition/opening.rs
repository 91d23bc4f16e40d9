//! Opens a partition: claims its checkpoint and catches up with its log, while its stored rooms are found (D9 to D11,
//! D25).
//!
//! Of a stored room only the head is read. A room that is needed before it was found is looked for in the bucket, so
//! that the time of a takeover does not depend on the number of rooms.

use grandstand_common::bus::{KvEntry, LogState};
use grandstand_common::id::RoomId;
use grandstand_common::subject;

use super::change::Change;
use super::known_rooms::FoundRoom;
use super::room_reads::WaitingEvent;
use super::state::PartitionState;
use super::takeover::Step;
use crate::command::{Command, KvSource, Outcome};
use crate::context::{Context, TenureState};
use crate::loads::Urgency;
use crate::stored::head::SnapshotHead;
use crate::stored::quarantine::QuarantineReason;
use crate::stored::snapshot;

/// Begins the takeover, or begins it again after a step failed.
pub(super) fn begin(state: &mut PartitionState, cx: &mut Context) {
    state.forget_rooms(cx);
    state.checkpoints.begin();
    state.takeover.close_rooms(cx, state.tenure);
    state.takeover.begin(cx, state.tenure);
}

/// Handles the outcome of a step's command.
pub(super) fn on_outcome(
    state: &mut PartitionState,
    cx: &mut Context,
    outcome: Outcome,
) -> TenureState {
    match state.takeover.on_outcome(cx.now.at, outcome) {
        Step::Wait => {}
        Step::Claim(entry) => {
            if let Err(later) = state.checkpoints.claim(cx, state.tenure, entry) {
                return TenureState::Lost(later);
            }
            // From here on it is known which entries a snapshot covers.
            state.takeover.read_rooms(cx, state.tenure);
        }
        Step::Claimed(revision) => {
            state.checkpoints.on_takeover_stored(revision);
            end_rooms(state, cx);
            state.takeover.try_measure(cx, state.tenure);
        }
        Step::Measure(log) => on_measured(state, cx, log),
        Step::Cut(revision) => {
            let generation = state.checkpoints.generation();
            state.checkpoints.on_takeover_stored(revision);
            if state.checkpoints.generation() > generation {
                state.takeover.take_reached();
                let cut = state.checkpoints.last_cut();
                state.rooms.cut(cut.saturating_sub(1));
            }
            open_log(state, cx);
        }
    }
    TenureState::Held
}

/// Handles a key of the partition. `behind` more keys were stored when it was sent.
pub(super) fn handle_key(
    state: &mut PartitionState,
    cx: &mut Context,
    source: KvSource,
    entry: KvEntry,
    behind: u64,
) -> TenureState {
    if !state.takeover.is_reading(source) {
        return TenureState::Held;
    }
    match source {
        KvSource::Quarantine => state.takeover.on_record(entry),
        KvSource::Rooms if entry.key == subject::checkpoint_key(state.tenure.id) => {
            if let Some(later) = state.takeover.on_checkpoint(state.tenure, &entry) {
                return TenureState::Lost(later);
            }
        }
        KvSource::Rooms => find_room(state, cx, entry),
    }
    if behind == 0 {
        end_keys(state, cx, source);
    }
    TenureState::Held
}

/// Handles the end of the keys: their reader has delivered all stored ones.
pub(super) fn handle_keys_idle(state: &mut PartitionState, cx: &mut Context, source: KvSource) {
    if state.takeover.is_reading(source) {
        end_keys(state, cx, source);
    }
    state.takeover.check_barrier(cx.now.at, source);
}

/// Handles the failure of a reader of keys during a takeover.
pub(super) fn handle_keys_lost(state: &mut PartitionState, cx: &mut Context, source: KvSource) {
    if state.takeover.is_reading(source) {
        state.takeover.on_reader_lost(cx, state.tenure, source);
    }
}

fn end_keys(state: &mut PartitionState, cx: &mut Context, source: KvSource) {
    state.takeover.on_keys_end(source);
    match source {
        KvSource::Rooms => end_rooms(state, cx),
        KvSource::Quarantine => state.takeover.try_measure(cx, state.tenure),
    }
}

/// Notes that all stored rooms are known, once they are.
fn end_rooms(state: &mut PartitionState, cx: &mut Context) {
    if state.takeover.end_rooms(cx, state.tenure) {
        state.rooms.known_mut().set_complete();
        state.checkpoints.on_rooms_read(cx.now.at);
    }
}

/// Adds a stored room to those that are known, without decoding it. A snapshot that cannot be read is loaded, which
/// puts it in quarantine.
fn find_room(state: &mut PartitionState, cx: &mut Context, entry: KvEntry) {
    let Some((partition, id)) = subject::parse_room_key(&entry.key) else {
        return;
    };
    let revision = entry.revision;
    let Some(value) = entry.value else {
        cx.loads.take_kept(partition, &id);
        state.rooms.known_mut().find_nothing(&id, revision);
        return;
    };
    let Ok(summary) = snapshot::summarize(&value) else {
        cx.loads.take_kept(partition, &id);
        cx.loads.note_parsed(value.len());
        state.rooms.known_mut().find_unusable(&id, revision);
        state.room_reads.want_later(&id);
        return;
    };
    cx.loads.note_parsed(summary.parsed);
    let covered = covered(state, cx, summary.place);
    let before = state.rooms.deleted(&id);
    let own = cx.games.version(id.game());
    let newer = summary.head.as_ref().map(|head| head.version);
    let newer = newer.filter(|version| *version > own);
    let edges = summary.head.as_ref().map(|head| head.edges.clone());
    let edges = edges.filter(|_| newer.is_none());
    let has_items = summary.head.as_ref().is_some_and(|head| head.has_items);
    let found = FoundRoom {
        revision,
        covered,
        head: summary.head,
        is_too_new: newer.is_some(),
    };
    if let Some(version) = newer {
        need(state, cx, &id, version);
    }
    if !state.rooms.known_mut().find(&id, found) {
        return;
    }
    if let Some(before) = before {
        state.coverage.remove_deleted(&id, before);
    }
    match edges {
        None if newer.is_some() => drop(cx.loads.take_kept(partition, &id)),
        Some(edges) => {
            state.sessions.set(&id, edges);
            cx.loads.keep(partition, &id, revision, &value);
            if has_items {
                state.room_reads.want_later(&id);
            }
        }
        None => {
            cx.loads.take_kept(partition, &id);
            state.sessions.set(&id, Vec::new());
            state.coverage.add_deleted(&id, covered);
        }
    }
}

/// Makes the lease say which version of a game a room needs that this build is too old for, so that a worker that can run the
/// room takes the partition.
fn need(state: &mut PartitionState, cx: &mut Context, id: &RoomId, version: u32) {
    let game = id.game();
    if !state.needs.raise(cx, state.tenure, game, version) {
        return;
    }
    let own = cx.games.version(game);
    tracing::warn!(
        partition = %state.tenure.id, game, version, own,
        "rooms of a later version of a game stay untouched until a worker with that version takes the partition"
    );
}

/// Leaves a room untouched that this build is too old for, and the record that another build may have written of it.
/// `place`: the last entry that its snapshot covers, and the revision of the snapshot, as far as they are known.
pub(super) fn leave_too_new(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    version: u32,
    place: Option<(u64, u64)>,
) {
    need(state, cx, id, version);
    state.coverage.clear(id);
    state.rooms.known_mut().leave_too_new(id, version, place);
    let mut change = Change {
        edges: Some(Vec::new()),
        ..Change::default()
    };
    state.update_machines(cx, id, &mut change);
    state.quarantine_records.leave(id, version);
}

/// Returns the last entry that a snapshot covers. If that shows that the log was cut before the takeover, records the
/// cut first (D11).
pub(super) fn covered(state: &mut PartitionState, cx: &Context, place: SnapshotHead) -> u64 {
    let covered = state.checkpoints.covered(place.generation, place.last);
    if place.epoch >= state.tenure.epoch {
        return covered;
    }
    if state.takeover.is_measured() {
        cut_beyond(state, cx, covered);
        return state.checkpoints.covered(place.generation, place.last);
    }
    state.takeover.reach(covered);
    covered
}

/// Records that the log was cut before the takeover, if an earlier owner stored a room that covers entry `reached` and
/// the log did not have that entry.
fn cut_beyond(state: &mut PartitionState, cx: &Context, reached: u64) {
    let Some(cut) = state.checkpoints.cut_beyond(cx.now.at, reached) else {
        return;
    };
    tracing::warn!(partition = %state.tenure.id, cut, "the log was cut before the takeover");
    state.rooms.cut(cut.saturating_sub(1));
    state.coverage.cut(cut);
    state.outlets.cut(cut);
    state.quarantine_records.cut(cut);
}

/// Records a cut if the log lacks entries that rooms cover (D11). Otherwise opens the log.
fn on_measured(state: &mut PartitionState, cx: &mut Context, log: LogState) {
    let reached = state.takeover.take_reached();
    let reached = reached.max(state.checkpoints.seq().saturating_sub(1));
    let is_read = state.takeover.is_read();
    let is_written = state
        .checkpoints
        .write_measured(cx, state.tenure, reached, is_read, log);
    if is_written {
        state.takeover.begin_cut();
    } else {
        open_log(state, cx);
    }
}

/// Opens the log at the first uncovered entry, and prepares the rooms that have records because they did not run.
fn open_log(state: &mut PartitionState, cx: &mut Context) {
    let reached = state.takeover.take_reached();
    cut_beyond(state, cx, reached);
    if state.takeover.is_read() {
        state.checkpoints.on_rooms_read(cx.now.at);
    }
    let records = state.takeover.begin_replay();
    let mut from = state.checkpoints.seq();
    for (id, (record, revision)) in records {
        let own = cx.games.version(id.game());
        if let Some(version) = record.version.filter(|version| *version > own) {
            leave_too_new(state, cx, &id, version, None);
            state.quarantine_records.add_stored(id, &record, revision);
        } else if record.version.is_none() && record.build == cx.config.build {
            let why = QuarantineReason::from_code(&record.code);
            let mut change = state.rooms.quarantine(&id, why, None);
            state.update_machines(cx, &id, &mut change);
            state.quarantine_records.add_stored(id, &record, revision);
        } else {
            from = from.min(record.seq);
            let retried = WaitingEvent::Retried(record.epoch, record.seq);
            state.room_reads.wait(&id, retried, Urgency::Now);
            state.quarantine_records.retry(id, revision, record.seq);
        }
    }
    state.log.seek(from);
    let partition = state.tenure.id;
    cx.commands.push_back(Command::OpenLog { partition, from });
    state.checkpoints.on_loaded(cx.now.at);
}

/// Makes the partition ready after the log was read to the end that it had at the takeover. Rooms that its entries
/// concern may still be read.
pub(super) fn on_caught_up(state: &mut PartitionState, cx: &mut Context) {
    if !state.takeover.catch_up(state.log.reached()) {
        return;
    }
    if let Some((took, replayed)) = state.takeover.take_measured(cx.now.at) {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        cx.tallies.takeovers.observe(took_ms);
        cx.tallies.replay_entries.observe(replayed);
    }
    end_retries(state, cx);
    cx.commands.push_back(Command::Ready {
        partition: state.tenure.id,
        epoch: state.tenure.epoch,
    });
}

/// Ends the runs of rooms that other builds did not run, once they have all of their log.
pub(super) fn end_retries(state: &mut PartitionState, cx: &mut Context) {
    if !state.takeover.is_ready() {
        return;
    }
    let (reads, outlets) = (&state.room_reads, &state.outlets);
    let ended = state
        .quarantine_records
        .end_retries(|id| !reads.contains(id) && !outlets.is_held(id));
    for id in ended {
        if state.coverage.is_clean(&id) {
            state.quarantine_records.delete(cx, state.tenure, &id);
        } else {
            state.coverage.set_urgent(&id, true, cx.now.at);
        }
    }
}
