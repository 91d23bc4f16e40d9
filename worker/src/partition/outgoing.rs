//! Sends what rooms have sent out, and holds the entries of rooms back that have too much of it.

use grandstand_common::bus::{LogEntry, Read};
use grandstand_common::data::Data;
use grandstand_common::id::{RoomId, Topic};
use grandstand_common::subject;
use grandstand_common::wire::{Body, Called, Emitted, Entry, RoomMessage};
use prost::Message as _;
use serde_json::value::RawValue;

use super::state::PartitionState;
use super::{intake, opening, writing};
use crate::command::{Command, Outcome, Token};
use crate::context::Context;
use crate::requests::Purpose;
use crate::room::Logged;
use crate::stored::outlet::PendingItem;

/// Sends the items that may be sent.
pub(super) fn send_items(state: &mut PartitionState, cx: &mut Context) {
    while state.takeover.is_ready()
        && let Some(sending) = state.outlets.begin(cx.now.at)
    {
        let purpose = Purpose::SendOut(sending.room.clone(), sending.place);
        let token = cx.request(state.tenure.id, purpose);
        let command = command(&sending.room, sending.item, token, cx);
        cx.commands.push_back(command);
    }
}

/// The command that sends an item of a room.
fn command(room: &RoomId, item: PendingItem, token: Token, cx: &Context) -> Command {
    if let Some(to) = &item.to {
        let message = RoomMessage {
            id: item.id,
            room: room.to_string(),
            topic: item.topic.to_string(),
            data: Some(Data::Json(item.data.into())),
            ..RoomMessage::default()
        };
        return Command::Append {
            subject: subject::log(cx.config.layout.partition_of(to), to),
            payload: Entry::from(Body::Message(message)).encode_to_vec().into(),
            token,
        };
    }
    // The data was serialized as JSON.
    let data = RawValue::from_string(item.data).unwrap_or_default();
    if let Some(due_ms) = item.due_ms {
        let called = Called {
            id: item.id.clone(),
            room: room.clone(),
            game: room.game().to_owned(),
            endpoint: item.topic,
            at_ms: item.at_ms,
            due_ms,
            data,
        };
        return Command::Emit {
            topic: Topic::calls(),
            id: item.id,
            body: serde_json::to_vec(&called).unwrap_or_default().into(),
            token,
        };
    }
    let emitted = Emitted {
        id: item.id.clone(),
        room: room.clone(),
        game: room.game().to_owned(),
        topic: item.topic.clone(),
        at_ms: item.at_ms,
        data,
    };
    Command::Emit {
        topic: item.topic,
        id: item.id,
        body: serde_json::to_vec(&emitted).unwrap_or_default().into(),
        token,
    }
}

/// Handles the outcome of the sending of an item. One that was not acked is sent again.
pub(super) fn on_outcome(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    place: u64,
    outcome: &Outcome,
) {
    let is_acked = matches!(outcome, Outcome::Appended(_));
    cx.counts.sent_out += u64::from(is_acked);
    let is_last = state.outlets.end(id, place, is_acked, cx.now.at);
    if is_last {
        writing::write_without_items(state, cx, id);
        state.update_idle(cx, id);
    }
    begin_reading(state, cx, id);
    send_items(state, cx);
}

/// Begins to read entries that were held back again, of rooms that may have them.
fn begin_all(state: &mut PartitionState, cx: &mut Context) {
    for id in state.outlets.held_rooms() {
        begin_reading(state, cx, &id);
    }
}

/// Begins to read the entries of a room again, if it may have them.
pub(super) fn begin_reading(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    if state.takeover.is_ready()
        && !state.room_reads.contains(id)
        && let Some((reader, from)) = state.outlets.begin_reading(id)
    {
        cx.commands.push_back(Command::OpenRoom {
            partition: state.tenure.id,
            room: id.clone(),
            from,
            reader,
        });
    }
}

/// Handles what the reader of a room's entries has read.
pub(super) fn handle_read(
    state: &mut PartitionState,
    cx: &mut Context,
    reader: u64,
    read: &Read<LogEntry>,
) {
    match read {
        Read::Item(entry, _) => on_entry(state, cx, reader, entry),
        Read::Idle => on_idle(state, cx, reader),
        Read::Lost => on_lost(state, cx, reader),
    }
}

/// Handles an entry of a room that was held back.
fn on_entry(state: &mut PartitionState, cx: &mut Context, reader: u64, stored: &LogEntry) {
    let Some(id) = state.outlets.room_of(reader).cloned() else {
        return;
    };
    let seq = stored.seq;
    if !state.takeover.is_ready() {
        return;
    }
    if !state.outlets.is_held_entry(&id, seq) {
        end(state, cx, reader, &id);
        return;
    }
    if !state.outlets.takes(&id) {
        stop(state, cx, reader);
        return;
    }
    if let Some(entry) = intake::decode(&id, stored) {
        let logged = Logged::new(seq, stored.time_ms, entry);
        intake::apply_now(state, cx, &id, logged);
    }
    // The room may have been put in quarantine.
    if state.outlets.is_held(&id) && !state.outlets.pass(&id, seq) {
        end(state, cx, reader, &id);
    }
    send_items(state, cx);
}

/// Handles the end of a room's log: all entries that were held back have come, unless they are gone.
fn on_idle(state: &mut PartitionState, cx: &mut Context, reader: u64) {
    if let Some(id) = state.outlets.room_of(reader).cloned() {
        end(state, cx, reader, &id);
    }
}

/// Handles the failure of a reader: another one goes on.
fn on_lost(state: &mut PartitionState, cx: &mut Context, reader: u64) {
    if let Some(id) = state.outlets.room_of(reader).cloned() {
        stop(state, cx, reader);
        begin_reading(state, cx, &id);
    }
}

/// Interrupts the reading of a room's entries. It goes on when more items are acked.
fn stop(state: &mut PartitionState, cx: &mut Context, reader: u64) {
    state.outlets.stop_reading(reader);
    let partition = state.tenure.id;
    cx.commands
        .push_back(Command::CloseRoom { partition, reader });
}

/// Ends the hold of a room: the entries that follow come from the partition's log.
fn end(state: &mut PartitionState, cx: &mut Context, reader: u64, id: &RoomId) {
    stop(state, cx, reader);
    if let Some(seq) = state.outlets.end_hold(id) {
        tracing::error!(room = %id, seq, "entries that waited until the room's items were sent are gone from the log");
    }
    state.timers.set(id, state.rooms.timers(id), cx.now);
    state.update_idle(cx, id);
    if state.quarantine_records.has_retried() {
        opening::end_retries(state, cx);
    }
    begin_all(state, cx);
}
