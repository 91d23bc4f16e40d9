//! Appends `EdgeLost` entries for connected players whose sessions no edge holds (D6, D17).

use std::collections::BTreeSet;

use grandstand_common::id::{EdgeId, PlayerId, ProcessId, RoomId, SessionId};
use grandstand_common::wire::{self, Body, Entry};

use super::hot_rooms;
use super::room_reads::WaitingEvent;
use super::state::PartitionState;
use crate::context::Context;
use crate::loads::Urgency;

/// The most appends in flight while losses are appended. Further losses follow as these are stored.
const MAX_APPENDS: usize = 2_048;

/// Handles the death of an edge process: ends the interest of its shards and appends the loss of their players. The
/// players are lost once these entries are read (D6). The losses of an edge are not appended again within a second, and
/// its interest does not end without them: if it lives, only its answer to the losses shows that.
pub(super) fn handle_process_gone(
    state: &mut PartitionState,
    cx: &mut Context,
    process: &ProcessId,
) {
    if !state.takeover.is_ready() {
        return;
    }
    let edges = state.audiences.watching().chain(state.sessions.edges());
    let edges: BTreeSet<_> = edges.filter(|e| e.process() == *process).cloned().collect();
    for edge in edges {
        if !state.sessions.lose(&edge, cx.now.at) {
            continue;
        }
        let rooms: Vec<_> = state.audiences.rooms_of(&edge).cloned().collect();
        for id in rooms {
            unwatch(state, cx, &id, &edge);
        }
    }
    append_losses(state, cx);
}

/// Ends an edge's interest in a room.
fn unwatch(state: &mut PartitionState, cx: &mut Context, id: &RoomId, edge: &EdgeId) {
    let exists = state.rooms.exists(id);
    state.audiences.unwatch(id, edge, exists, cx.now.at);
    hot_rooms::update(state, cx, id);
    state.update_idle(cx, id);
}

/// Appends due losses, up to the limit of appends in flight.
pub(super) fn append_losses(state: &mut PartitionState, cx: &mut Context) {
    if !state.takeover.is_ready() {
        return;
    }
    while cx.requests.appends() < MAX_APPENDS && !state.room_reads.has_later() {
        let Some((edge, id)) = state.sessions.next_loss() else {
            break;
        };
        lose_all(state, cx, &id, edge);
    }
    state.sessions.expire(cx.now.at);
}

/// Appends the loss of an edge's connected players in a room. A stored room is loaded first.
pub(super) fn lose_all(state: &mut PartitionState, cx: &mut Context, id: &RoomId, edge: EdgeId) {
    if state.rooms.is_stored(id) {
        let lost = WaitingEvent::Lost(edge);
        state.room_reads.wait(id, lost, Urgency::Later);
    } else {
        append(state, cx, id, &edge, |_| true);
    }
}

/// Appends the loss of an edge's connected players whose sessions are not among those that the edge has (`has`). Such a
/// session's `Lost` was stored before its `Joined`, or the edge dropped the session. An edge that learns of the session
/// later answers with `Here`.
pub(super) fn lose_unheld_sessions(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    edge: &EdgeId,
    has: &[u64],
) {
    let room = state.rooms.get(id).into_iter();
    let held = room.flat_map(|room| room.sessions_on(edge));
    let missing = held
        .map(|(_, session)| session)
        .filter(|session| !has.contains(&session.0));
    let lost = state.sessions.note_lost(missing, cx.now.at);
    if lost.is_empty() {
        return;
    }
    tracing::info!(room = %id, %edge, count = lost.len(), "players are lost, because their edge does not hold their sessions");
    append(state, cx, id, edge, |session| lost.contains(&session));
}

/// Appends the loss of an edge's connected players whose session satisfies `is_lost`.
fn append(
    state: &PartitionState,
    cx: &mut Context,
    id: &RoomId,
    edge: &EdgeId,
    is_lost: impl Fn(SessionId) -> bool,
) {
    let room = state.rooms.get(id).into_iter();
    let held = room.flat_map(|room| room.sessions_on(edge));
    for (player, session) in held.filter(|(_, session)| is_lost(*session)) {
        let entry = edge_lost(edge, player, session);
        cx.append(state.tenure.id, id, &entry);
    }
}

fn edge_lost(edge: &EdgeId, player: &PlayerId, session: SessionId) -> Entry {
    Entry {
        player: player.to_string(),
        session: session.0,
        edge: edge.to_string(),
        body: Some(Body::EdgeLost(wire::Empty {})),
        ..Entry::default()
    }
}
