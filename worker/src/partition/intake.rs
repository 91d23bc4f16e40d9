//! Applies entries of the log to their rooms.

use std::time::Duration;

use grandstand_common::bus::LogEntry;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{EdgeId, RoomId};
use grandstand_common::subject;
use grandstand_common::wire::{self, Arrival, Body, Entry, ItemKind};
use grandstand_game::Reject;
use grandstand_game::host::Panicked;
use prost::Message;

use super::change::EntryOutcome;
use super::room_reads::WaitingEvent;
use super::send::send;
use super::settle::settle;
use super::state::PartitionState;
use super::{delivery, faults, idle_loading, opening};
use crate::context::Context;
use crate::current_call::EntryId;
use crate::room::{Creation, Emit, Logged, Opened, Room};
use crate::stored::quarantine::QuarantineReason;

/// The age up to which an entry counts as stored now.
const LIVE: Duration = Duration::from_secs(1);

/// Handles an entry from the reader of the log. `behind` more entries were stored when it was sent.
pub(super) fn handle_log(
    state: &mut PartitionState,
    cx: &mut Context,
    entry: &LogEntry,
    behind: u64,
) {
    if state.log.is_paused() || !state.takeover.is_running() {
        return;
    }
    state.log.set_behind(behind);
    if state.log.accept(entry.seq) {
        state.takeover.count_replayed();
        on_entry(state, cx, entry);
    }
    if behind == 0 || state.takeover.is_log_end(entry.seq) {
        opening::on_caught_up(state, cx);
    }
}

/// Decodes a stored entry and applies it to its room. Skips entries before the checkpoint, unless their room is
/// retried after a quarantine.
fn on_entry(state: &mut PartitionState, cx: &mut Context, stored: &LogEntry) {
    let Some((partition, id)) = subject::parse_log(&stored.subject) else {
        return;
    };
    if partition != state.tenure.id
        || (stored.seq < state.checkpoints.seq() && !state.quarantine_records.is_retried(&id))
    {
        return;
    }
    let Some(entry) = decode(&id, stored) else {
        return;
    };
    let logged = Logged::new(stored.seq, stored.time_ms, entry);
    apply(state, cx, &id, logged);
    let age = Duration::from_millis(cx.now.log_ms.saturating_sub(stored.time_ms));
    if age > LIVE {
        state.coverage.note_age(&id, age, cx.now.at);
    }
}

/// Decodes an entry of a room.
pub(super) fn decode(id: &RoomId, stored: &LogEntry) -> Option<Entry> {
    match Entry::decode(stored.payload.clone()) {
        Ok(entry) => Some(entry),
        Err(error) => {
            tracing::warn!(room = %id, seq = stored.seq, %error, "cannot decode an entry of the log: it is skipped");
            None
        }
    }
}

/// Applies an entry to its room. If the room has sent out too much that is not acked, the entry is held back: it is read
/// again later, so that other rooms do not wait (D26).
pub(super) fn apply(state: &mut PartitionState, cx: &mut Context, id: &RoomId, logged: Logged) {
    let may_hold = match state.rooms.get(id) {
        Some(room) => logged.seq > room.last(),
        None => state.outlets.is_held(id),
    };
    if may_hold && state.outlets.hold(id, logged.seq) {
        state.timers.set_none(id);
    } else {
        apply_now(state, cx, id, logged);
    }
}

/// Applies an entry to its room. If the room is not in memory, the entry waits until the room is loaded.
pub(super) fn apply_now(state: &mut PartitionState, cx: &mut Context, id: &RoomId, logged: Logged) {
    let replayed = u64::from(!state.takeover.sends(logged.seq));
    cx.arrival = arrival_of(&logged);
    match state.rooms.apply(cx, id, logged) {
        EntryOutcome::Done(change) => {
            cx.counts.replayed += replayed;
            settle(state, cx, id, change);
        }
        EntryOutcome::Covered => {}
        EntryOutcome::Panicked(logged) => {
            cx.counts.replayed += replayed;
            refuse(state, cx, id, &logged, QuarantineReason::Unavailable.code());
            faults::quarantine(state, cx, id, QuarantineReason::Unavailable);
        }
        EntryOutcome::Quarantined(logged, why) => refuse(state, cx, id, &logged, why.code()),
        EntryOutcome::TooNew(logged, version) => {
            refuse(state, cx, id, &logged, QuarantineReason::Unavailable.code());
            let (tenure, seq) = (state.tenure, logged.seq);
            state
                .quarantine_records
                .keep_for_newer(cx, tenure, id, version, seq);
        }
        EntryOutcome::Stored(logged) => {
            idle_loading::queue(state, cx, id, WaitingEvent::Entry(logged))
        }
        // Earlier entries wait until the room was looked for.
        EntryOutcome::Absent(logged) if state.room_reads.contains(id) => {
            idle_loading::queue(state, cx, id, WaitingEvent::Entry(logged));
        }
        EntryOutcome::Absent(logged) => on_absent(state, cx, id, logged),
    }
    cx.arrival = None;
}

/// The arrival of the input that an entry has, for the updates that it causes.
fn arrival_of(logged: &Logged) -> Option<Arrival> {
    match &logged.entry.body {
        Some(Body::Input(input)) => input.arrival.clone(),
        _ => None,
    }
}

/// Handles an entry for a room that does not exist. Only `Joined` and `Create` create a room (D5).
fn on_absent(state: &mut PartitionState, cx: &mut Context, id: &RoomId, logged: Logged) {
    let Some(creation) = Creation::of(&logged) else {
        refuse(state, cx, id, &logged, ErrorKind::NotJoined.code());
        return;
    };
    let mut emits = Vec::new();
    let mut open = || Room::open(&cx.games, id, &logged, creation, &mut emits);
    let entry = EntryId {
        seq: logged.seq,
        time_ms: logged.time_ms,
    };
    match cx.call(id, entry, || open().or_else(|_| open())) {
        Ok(Opened::Room(room)) => {
            let change = state.rooms.create(id, *room, emits, logged);
            settle(state, cx, id, change);
        }
        Ok(Opened::Empty) => {
            let refused = |emit: &Emit| matches!(emit, Emit::ToEdge(_, ItemKind::Refused(_)));
            emits.retain(refused);
            if state.sends(id, logged.seq) {
                delivery::deliver(state, cx, id, emits);
            }
        }
        Ok(Opened::Refused(refusal)) => {
            tracing::debug!(room = %id, code = %refusal.code, "the room was not created");
            send_refused(state, cx, id, &logged, &refusal);
        }
        Err(Panicked) => {
            refuse(state, cx, id, &logged, QuarantineReason::Unavailable.code());
            faults::quarantine(state, cx, id, QuarantineReason::Unavailable);
        }
    }
}

/// Answers an entry that cannot be applied: a `Joined` with `Refused`, other entries of a session with `Gone` (D4).
fn refuse(state: &mut PartitionState, cx: &mut Context, id: &RoomId, logged: &Logged, code: &str) {
    let entry = &logged.entry;
    if !entry.body.as_ref().is_some_and(Body::is_chained) {
        return;
    }
    if let Some(Body::Joined(_)) = &entry.body {
        let refusal = Reject::new(code.to_owned(), "the room is unavailable now");
        send_refused(state, cx, id, logged, &refusal);
        return;
    }
    let gone = wire::Gone {
        session: entry.session,
        code: code.to_owned(),
        n: entry.n,
        round: entry.round,
    };
    send_to_sender(state, cx, id, logged, ItemKind::Gone(gone));
}

fn send_refused(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    logged: &Logged,
    refusal: &Reject,
) {
    let refused = wire::Refused {
        session: logged.entry.session,
        code: refusal.code.to_string(),
        message: refusal.message.clone(),
    };
    send_to_sender(state, cx, id, logged, ItemKind::Refused(refused));
}

/// Sends an item to the edge that appended an entry. A replay sends nothing.
fn send_to_sender(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    logged: &Logged,
    kind: ItemKind,
) {
    if !state.sends(id, logged.seq) {
        return;
    }
    if let Ok(edge) = logged.entry.edge.parse::<EdgeId>() {
        send(state, cx, id, &edge, kind);
    }
}
