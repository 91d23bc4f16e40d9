//! Sends what rooms emit to the edges that need it: updates, private data, presence, live messages.

use grandstand_common::data::Data;
use grandstand_common::id::{EdgeId, Lane, PlayerId, RoomId, SessionId};
use grandstand_common::wire::{self, ItemKind};
use grandstand_game::host::Panicked;
use grandstand_game::{Invitation, LiveTo};
use serde_json::json;

use super::audience::{KeptUpdate, RingState};
use super::send::{publish_hot, send, send_snapshot, view};
use super::state::PartitionState;
use super::update_ring::for_lanes;
use super::{faults, hot_rooms, ticking};
use crate::context::Context;
use crate::room::{Emit, Invited, Welcome};

/// Sends what a room emitted to its edges.
pub(super) fn deliver(state: &mut PartitionState, cx: &mut Context, id: &RoomId, emits: Vec<Emit>) {
    for emit in emits {
        match emit {
            Emit::Update(update) => send_update(state, cx, id, &update),
            Emit::Snapshot(lane) => send_change_as_snapshot(state, cx, id, lane),
            Emit::Fault => cx.counts.game_faults += 1,
            Emit::BotRejected(..) => cx.counts.bot_rejects += 1,
            Emit::ToEdge(edge, kind) => {
                send(state, cx, id, &edge, kind);
            }
            Emit::Joined(welcome) => on_joined(state, cx, id, *welcome),
            Emit::Invited(invited) => send_invitation(state, cx, id, &invited),
            Emit::Presence => state.audiences.schedule_presence(id, cx.now.at),
            Emit::Out(_) | Emit::Deleted => {}
        }
    }
}

/// Sends a player an invitation to another room, with a token if this worker signs.
fn send_invitation(state: &mut PartitionState, cx: &mut Context, id: &RoomId, invited: &Invited) {
    let Invitation {
        player,
        room,
        options,
        params,
    } = &invited.invitation;
    let mut invite = json!({"room": room});
    if let Some(params) = params {
        invite["params"] = params.clone();
    }
    if let Some(inviter) = &cx.config.inviter {
        let (token, expires_s) =
            inviter.invite(player, room, options, params.as_ref(), invited.now_ms);
        invite["token"] = token.into();
        invite["expires_s"] = expires_s.into();
    }
    let data = json!({"invite": invite}).to_string();
    let direct = wire::Direct {
        session: invited.session.0,
        data: Some(Data::Json(data.into())),
    };
    send(state, cx, id, &invited.edge, ItemKind::Direct(direct));
}

/// Keeps an update for late joiners, and sends it to all edges that watch one of its lanes.
fn send_update(state: &mut PartitionState, cx: &mut Context, id: &RoomId, update: &wire::Update) {
    let kept = state
        .audiences
        .keep_update(id, update, cx.config.ring_bytes);
    let Some(KeptUpdate { rings, direct }) = kept else {
        for lane in Lane::ALL {
            state.rooms.unwatch(id, lane);
        }
        return;
    };
    // Late joiners get it without the arrival: their wait has nothing to do with it.
    let update = wire::Update {
        arrival: cx.arrival.clone(),
        ..update.clone()
    };
    publish_hot(state, cx, id, || ItemKind::Update(update.clone()));
    for (edge, lanes) in direct {
        let update = for_lanes(&update, lanes);
        send(state, cx, id, &edge, ItemKind::Update(update));
    }
    for lane in Lane::ALL {
        match rings[lane.index()] {
            RingState::Outgrown => send_snapshot_to_all(state, cx, id, lane),
            RingState::Unwatched => state.rooms.unwatch(id, lane),
            RingState::Unchanged | RingState::Kept => {}
        }
    }
}

/// Sends a lane's snapshot to all edges, because the updates since the last one outgrew the ring: updates for late
/// joiners must follow a newer snapshot.
fn send_snapshot_to_all(state: &mut PartitionState, cx: &mut Context, id: &RoomId, lane: Lane) {
    if !state.audiences.is_watched(id) {
        return;
    }
    let edges = state.audiences.on_snapshot(id, lane);
    let Some(snapshot) = view(state, cx, id, lane) else {
        return;
    };
    publish_hot(state, cx, id, || ItemKind::Snapshot(snapshot.clone()));
    for (edge, _) in edges {
        let kind = ItemKind::Snapshot(snapshot.clone());
        send(state, cx, id, &edge, kind);
    }
}

/// Sends a change of a lane's view as a snapshot. Earlier updates do not lead to it, so none are kept.
fn send_change_as_snapshot(state: &mut PartitionState, cx: &mut Context, id: &RoomId, lane: Lane) {
    if state.audiences.drop_updates(id, lane) {
        send_snapshot_to_all(state, cx, id, lane);
    } else {
        state.rooms.unwatch(id, lane);
    }
}

/// Handles the start of a session: its edge watches the players' lane from now on and gets the session's state.
fn on_joined(state: &mut PartitionState, cx: &mut Context, id: &RoomId, welcome: Welcome) {
    let edge = welcome.edge.clone();
    cx.outbox.heard(cx.now.at, &edge);
    if state.watch(id, &edge, Lane::Players) {
        send_snapshot(state, cx, id, &edge, Lane::Players);
    }
    for kind in welcome.into_items() {
        send(state, cx, id, &edge, kind);
    }
    hot_rooms::update(state, cx, id);
    hot_rooms::announce(state, cx, id, &edge);
}

/// Sends snapshots of a room that was just created to the edges that waited for it.
pub(super) fn on_created(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    for (edge, lanes) in state.audiences.on_created(id) {
        for lane in Lane::ALL {
            if lanes[lane.index()] {
                send_snapshot(state, cx, id, &edge, lane);
            }
        }
    }
    if state.audiences.is_watched(id) {
        hot_rooms::update(state, cx, id);
    }
}

/// Sends the presence to all edges if it has changed and the last one is old enough. Returns whether it was sent.
pub(super) fn send_presence(state: &mut PartitionState, cx: &mut Context, id: &RoomId) -> bool {
    let Some(room) = state.rooms.get(id) else {
        return false;
    };
    let Some((viewers, edges)) = state.audiences.take_presence(id, cx.now.at) else {
        return false;
    };
    let presence = room.presence(viewers);
    state.lobby.touch(id, cx.now.at);
    publish_hot(state, cx, id, || ItemKind::Presence(presence.clone()));
    for (edge, _) in edges {
        let kind = ItemKind::Presence(presence.clone());
        send(state, cx, id, &edge, kind);
    }
    true
}

/// Passes a lossy message from an edge to its room, and sends the result.
pub(super) fn handle_live(state: &mut PartitionState, cx: &mut Context, live: wire::Live) {
    let (Ok(id), Ok(player)) = (live.room.parse::<RoomId>(), live.player.parse::<PlayerId>())
    else {
        return;
    };
    let (Some(data), true) = (live.data, state.takeover.is_ready()) else {
        return;
    };
    let session = SessionId(live.session);
    if ticking::on_control(state, cx, &id, (&player, session), &data) {
        return;
    }
    let sent = state.rooms.live(cx, &id, session, &player, data);
    send_live_result(state, cx, &id, sent);
}

/// Sends the result of a lossy message, or handles the panic of the game.
fn send_live_result(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    sent: Option<Result<Vec<(LiveTo, Data)>, Panicked>>,
) {
    match sent {
        Some(Ok(list)) => send_live(state, cx, id, list),
        Some(Err(Panicked)) => faults::on_panic(state, cx, id),
        None => {}
    }
}

/// Sends live messages to the edges of their recipients.
fn send_live(state: &mut PartitionState, cx: &mut Context, id: &RoomId, list: Vec<(LiveTo, Data)>) {
    for (to, data) in list {
        let reach = |player: &PlayerId| -> Option<(EdgeId, u64)> {
            let (edge, session) = state.rooms.get(id)?.reach(player)?;
            Some((edge.clone(), session.0))
        };
        let mut out = wire::LiveOut {
            players: true,
            spectators: true,
            data: Some(data),
            ..wire::LiveOut::default()
        };
        match to {
            LiveTo::Lane(lane) => {
                out.players = lane != Some(Lane::Spectators);
                out.spectators = lane != Some(Lane::Players);
            }
            LiveTo::Others(player) => out.except = reach(&player).map_or(0, |(_, s)| s),
            LiveTo::Player(player) => {
                let Some((edge, session)) = reach(&player) else {
                    continue;
                };
                (out.players, out.spectators, out.session) = (false, false, session);
                send(state, cx, id, &edge, ItemKind::LiveOut(out));
                continue;
            }
        }
        if !state.audiences.is_watched(id) {
            continue;
        }
        let edges = state
            .audiences
            .direct_edges(id, [out.players, out.spectators]);
        publish_hot(state, cx, id, || ItemKind::LiveOut(out.clone()));
        for (edge, _) in edges {
            send(state, cx, id, &edge, ItemKind::LiveOut(out.clone()));
        }
    }
}
