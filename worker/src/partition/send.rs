//! Sends items: to one edge, or to all edges on a hot room's subject.

use grandstand_common::id::{EdgeId, Lane, RoomId};
use grandstand_common::wire::{self, ItemKind};
use grandstand_game::host::Panicked;

use super::faults;
use super::state::PartitionState;
use super::update_ring::version;
use crate::context::Context;
use crate::outbox::ItemTooBig;
use crate::stored::quarantine::QuarantineReason;

/// Sends one item to one edge. A room goes to quarantine if its item exceeds the payload limit. A quarantined room
/// sends only `Closed`, `Gone` and `Refused`. An update that NATS does not take is replaced by snapshots of its lanes.
/// Returns whether the item itself was sent.
pub(super) fn send(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    edge: &EdgeId,
    kind: ItemKind,
) -> bool {
    let is_end = matches!(
        kind,
        ItemKind::Closed(_) | ItemKind::Gone(_) | ItemKind::Refused(_)
    );
    if !is_end && state.rooms.refusal(id).is_some() {
        return false;
    }
    let lanes = lanes_of(&kind);
    let head = state.head(id);
    let Err(error) = cx.outbox.push(cx.now.at, edge, &head, kind) else {
        return true;
    };
    on_too_big(state, cx, id, error);
    for lane in lanes.into_iter().flatten() {
        send_snapshot(state, cx, id, edge, lane);
    }
    false
}

/// The lanes that an update belongs to; none for other items.
fn lanes_of(kind: &ItemKind) -> [Option<Lane>; 2] {
    match kind {
        ItemKind::Update(update) => {
            Lane::ALL.map(|lane| (version(update, lane) != 0).then_some(lane))
        }
        _ => [None; 2],
    }
}

/// Handles an item that is not sent. A room whose items exceed the limit that rooms may rely on goes to quarantine. If
/// only NATS' own limit is lower, the room is not at fault: it continues, and the item is dropped.
fn on_too_big(state: &mut PartitionState, cx: &mut Context, id: &RoomId, error: ItemTooBig) {
    if error.bytes > cx.config.full_payload {
        tracing::error!(room = %id, %error, "an item of a room exceeds the payload limit");
        if state.rooms.get(id).is_some() {
            faults::quarantine(state, cx, id, QuarantineReason::TooBig);
        }
        return;
    }
    cx.counts.items_not_taken += 1;
    if !std::mem::replace(&mut cx.said_too_big, true) {
        tracing::error!(
            room = %id, %error,
            "items of rooms are not sent until NATS takes them, so their clients wait: raise max_payload of NATS"
        );
    }
}

/// Publishes an item on a hot room's subject. Edges that have confirmed the subject are not sent the item directly. An
/// update that NATS does not take is replaced by snapshots of its lanes.
pub(super) fn publish_hot(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    kind: impl FnOnce() -> ItemKind,
) {
    if !state.audiences.is_hot(id) || state.rooms.refusal(id).is_some() {
        return;
    }
    let kind = kind();
    let lanes = lanes_of(&kind);
    let Err(error) = cx.outbox.push_hot(id, kind) else {
        return;
    };
    on_too_big(state, cx, id, error);
    for lane in lanes.into_iter().flatten() {
        if let Some(snapshot) = view(state, cx, id, lane)
            && let Err(error) = cx.outbox.push_hot(id, ItemKind::Snapshot(snapshot))
        {
            on_too_big(state, cx, id, error);
        }
    }
}

/// Returns a lane's view, or `None` if the room is not in memory or its game panicked.
pub(super) fn view(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    lane: Lane,
) -> Option<wire::Snapshot> {
    match state.rooms.view(cx, id, lane)? {
        Ok(snapshot) => Some(snapshot),
        Err(Panicked) => {
            faults::on_panic(state, cx, id);
            None
        }
    }
}

/// Sends a lane's view to one edge.
pub(super) fn send_snapshot(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    edge: &EdgeId,
    lane: Lane,
) {
    if let Some(snapshot) = view(state, cx, id, lane) {
        send(state, cx, id, edge, ItemKind::Snapshot(snapshot));
    }
}
