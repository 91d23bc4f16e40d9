//! Handles interest requests from edges: updates what an edge watches and sends what it lacks.

use std::collections::BTreeSet;

use grandstand_common::error::ErrorKind;
use grandstand_common::id::{EdgeId, Lane, RoomId, SessionId};
use grandstand_common::wire::{self, ItemKind, Known, RoomInterest};
use grandstand_game::host::Panicked;

use super::delivery::send_presence;
use super::hot_rooms::HotReport;
use super::room_reads::WaitingEvent;
use super::send::{send, send_snapshot};
use super::state::PartitionState;
use super::update_ring::version;
use super::{faults, hot_rooms, idle_loading, losses};
use crate::context::Context;
use crate::stored::quarantine::QuarantineReason;

/// Handles an interest request of an edge. A digest also ends the edge's interest in all rooms that it does not name.
/// Requests for stored rooms wait until the room is loaded.
pub(super) fn handle_interest(
    state: &mut PartitionState,
    cx: &mut Context,
    edge: &EdgeId,
    interest: &wire::Interest,
) {
    let mut named = BTreeSet::new();
    for wanted in &interest.rooms {
        let Ok(id) = wanted.room.parse::<RoomId>() else {
            continue;
        };
        let wants = wanted.sync || wanted.players.is_some() || wanted.spectators.is_some();
        let wants = wants || state.sessions.holds(edge, &id) || !state.rooms.is_stored(&id);
        let is_unread = state.rooms.known().is_unread(&id) || state.room_reads.contains(&id);
        if wants && is_unread {
            let waiting = WaitingEvent::Interest(edge.clone(), wanted.clone());
            idle_loading::queue(state, cx, &id, waiting);
        } else {
            on_room_interest(state, cx, &id, edge, wanted);
        }
        named.insert(id);
    }
    if interest.digest {
        for id in unnamed_rooms(state, edge, &named) {
            if state.rooms.is_stored(&id) {
                // The edge holds none of the sessions that the room has.
                let none = WaitingEvent::Interest(edge.clone(), RoomInterest::default());
                idle_loading::queue(state, cx, &id, none);
                continue;
            }
            drop_interest(state, cx, &id, edge, &[]);
            losses::lose_unheld_sessions(state, cx, &id, edge, &[]);
            hot_rooms::update(state, cx, &id);
            state.update_idle(cx, &id);
        }
    }
}

/// Handles the part of an interest request that is about one room. If the edge watches a stored room, load it first.
pub(super) fn on_room_interest(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    edge: &EdgeId,
    wanted: &RoomInterest,
) {
    answer_room_interest(state, cx, id, edge, wanted);
    losses::lose_unheld_sessions(state, cx, id, edge, &sessions(wanted));
    hot_rooms::update(state, cx, id);
    send_presence(state, cx, id);
    state.update_idle(cx, id);
}

/// Returns the rooms of an edge that its digest does not name. The edge holds no session there.
fn unnamed_rooms(
    state: &PartitionState,
    edge: &EdgeId,
    named: &BTreeSet<RoomId>,
) -> BTreeSet<RoomId> {
    let rooms = state.sessions.rooms_of(edge);
    let rooms = rooms.chain(state.audiences.rooms_of(edge));
    rooms.filter(|id| !named.contains(*id)).cloned().collect()
}

/// Ends an edge's interest in a room. The players' lane stays watched if the edge has the session of a player (`has`).
fn drop_interest(
    state: &mut PartitionState,
    cx: &Context,
    id: &RoomId,
    edge: &EdgeId,
    has: &[u64],
) {
    let room = state.rooms.get(id);
    let is_player =
        |&session: &u64| room.is_some_and(|room| room.is_held_by(SessionId(session), edge));
    if has.iter().any(is_player) {
        state.audiences.unwatch_spectators(id, edge);
    } else {
        let exists = state.rooms.exists(id);
        state.audiences.unwatch(id, edge, exists, cx.now.at);
    }
}

/// Updates the lanes that an edge watches of a room, and sends what it lacks: with `sync`, everything; otherwise what
/// belongs to new lanes.
fn answer_room_interest(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    edge: &EdgeId,
    wanted: &RoomInterest,
) {
    if let Some(code) = state.rooms.refusal(id) {
        send_closed(state, cx, id, edge, code);
        return;
    }
    let lanes = [wanted.players, wanted.spectators];
    if lanes == [None, None] {
        drop_interest(state, cx, id, edge, &sessions(wanted));
    }
    let exists = state.rooms.exists(id);
    if !exists && lanes != [None, None] && cx.games.get(id.game()).is_none() {
        // No join can ever create this room, so waiting for it is futile.
        send_closed(state, cx, id, edge, ErrorKind::NoSuchGame.code());
        return;
    }
    let is_full = !exists && state.audiences.is_full(id);
    let mut is_new = false;
    for lane in Lane::ALL {
        match lanes[lane.index()] {
            Some(known) if !is_full => {
                let lane_is_new = state.watch(id, edge, lane);
                is_new |= lane_is_new;
                if exists && (wanted.sync || lane_is_new) {
                    match missing_updates(state, id, lane, known) {
                        Some(updates) => send_updates(state, cx, id, edge, updates),
                        None => send_snapshot(state, cx, id, edge, lane),
                    }
                }
            }
            Some(_) => is_new = true,
            None => unwatch_lane(state, cx, id, edge, lane),
        }
    }
    let viewers = wanted.viewers;
    state.audiences.set_viewers(id, edge, viewers, cx.now.at);
    let report = HotReport {
        stream: wanted.hot,
        subscribed: wanted.subscribed,
        needs_answer: wanted.sync || is_new,
    };
    hot_rooms::on_report(state, cx, id, edge, report);
    if !exists {
        if wanted.sync || is_new {
            send(state, cx, id, edge, ItemKind::Absent(wire::Empty {}));
        }
        if wanted.sync {
            for session in &wanted.sessions {
                send_gone(state, cx, id, edge, SessionId(*session));
            }
            send_synced(state, cx, id, edge, wanted);
        }
        return;
    }
    if wanted.sync {
        for session in &wanted.sessions {
            send_session(state, cx, id, edge, SessionId(*session));
        }
    }
    if wanted.sync || is_new {
        answer_presence(state, cx, id, edge);
    }
    if wanted.sync {
        send_synced(state, cx, id, edge, wanted);
    }
}

/// Ends the answer to a sync.
fn send_synced(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    edge: &EdgeId,
    wanted: &RoomInterest,
) {
    let number = wanted.sync_number;
    send(
        state,
        cx,
        id,
        edge,
        ItemKind::Synced(wire::Synced { number }),
    );
}

/// Ends the watch of a lane. The players' lane stays watched while the edge holds the session of a player.
fn unwatch_lane(state: &mut PartitionState, cx: &Context, id: &RoomId, edge: &EdgeId, lane: Lane) {
    let room = state.rooms.get(id);
    if lane == Lane::Players && room.is_some_and(|room| room.has_player_on(edge)) {
        return;
    }
    let exists = state.rooms.exists(id);
    state
        .audiences
        .unwatch_lane(id, edge, lane, exists, cx.now.at);
}

/// Returns the updates that an edge lacks of a lane, or `None` if some were dropped.
fn missing_updates(
    state: &PartitionState,
    id: &RoomId,
    lane: Lane,
    known: Known,
) -> Option<Vec<wire::Update>> {
    let room = state.rooms.get(id)?;
    let is_ours = known.epoch == state.tenure.epoch.0 && known.instance == room.instance().0;
    if !is_ours {
        return None;
    }
    let current = room.instance_state().versions[lane.index()];
    let updates = state.audiences.since(id, lane, known.version, current)?;
    debug_assert!(updates.iter().all(|update| version(update, lane) != 0));
    Some(updates)
}

/// Sends the updates that an edge lacks.
fn send_updates(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    edge: &EdgeId,
    updates: Vec<wire::Update>,
) {
    for update in updates {
        // The snapshot that replaces an update replaces the later ones as well.
        if !send(state, cx, id, edge, ItemKind::Update(update)) {
            break;
        }
    }
}

/// Sends the state of a session to its edge: private data, rejects and `Processed`, or `Gone` if the room does not know
/// the session.
fn send_session(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    edge: &EdgeId,
    session: SessionId,
) {
    let Some(room) = state.rooms.get(id) else {
        return;
    };
    if room.kicked(session).is_some() {
        send_gone(state, cx, id, edge, session);
        return;
    }
    match room.welcome(session) {
        None => send_gone(state, cx, id, edge, session),
        Some(Err(Panicked)) => faults::on_panic(state, cx, id),
        Some(Ok(welcome)) => {
            if !welcome.processed.ended && state.watch(id, edge, Lane::Players) {
                send_snapshot(state, cx, id, edge, Lane::Players);
            }
            for kind in welcome.into_items() {
                send(state, cx, id, edge, kind);
            }
        }
    }
}

/// Sends `Gone` for a session, with the reason why the room does not have it.
fn send_gone(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    edge: &EdgeId,
    session: SessionId,
) {
    let room = state.rooms.get(id);
    let code = if let Some(code) = room.and_then(|room| room.kicked(session)) {
        code
    } else if room.is_some_and(|room| room.was_replaced(session)) {
        ErrorKind::Replaced.code()
    } else if state.rooms.refusal(id).is_some() {
        QuarantineReason::Unavailable.code()
    } else {
        ErrorKind::NotJoined.code()
    };
    let gone = wire::Gone {
        session: session.0,
        code: code.to_owned(),
        ..wire::Gone::default()
    };
    send(state, cx, id, edge, ItemKind::Gone(gone));
}

fn send_closed(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    edge: &EdgeId,
    code: &str,
) {
    let closed = wire::Closed {
        code: code.to_owned(),
    };
    send(state, cx, id, edge, ItemKind::Closed(closed));
}

/// Sends the presence to all edges if it has changed, otherwise only to the edge that asks.
fn answer_presence(state: &mut PartitionState, cx: &mut Context, id: &RoomId, edge: &EdgeId) {
    if send_presence(state, cx, id) {
        return;
    }
    let (Some(room), Some(viewers)) = (state.rooms.get(id), state.audiences.viewers(id)) else {
        return;
    };
    let presence = room.presence(viewers);
    send(state, cx, id, edge, ItemKind::Presence(presence));
}

/// Returns the sessions that an edge has in a room, including those whose join is not processed yet.
fn sessions(wanted: &RoomInterest) -> Vec<u64> {
    [&wanted.sessions[..], &wanted.joining].concat()
}
