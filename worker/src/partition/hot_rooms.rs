//! Hot rooms: what concerns all of very many edges is published once, on the room's own subject (D22).
//!
//! A room is hot from so many edges on, and not any more when it has had far fewer for a while. An edge is told directly,
//! subscribes, and says so when it has first received something there. Until the owner has heard that, it sends the edge
//! everything directly too. Then the owner tells it from which number on it gets things on the room's subject alone, so
//! that nothing is lost and nothing comes twice.

use grandstand_common::id::{EdgeId, RoomId};
use grandstand_common::wire::{Hot, HotWay, ItemKind};

use super::audiences::Heat;
use super::send::send;
use super::state::PartitionState;
use crate::context::Context;

/// Looks whether a room has become hot, or is not any more. To be called after its edges may have changed.
pub(super) fn update(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    let exists = state.rooms.exists(id);
    match state.audiences.check_heat(id, exists, cx.now.at) {
        Heat::Cold => cx.outbox.forget_hot(id),
        Heat::Hot => {}
        Heat::Heated => {
            let head = state.head(id);
            cx.outbox.open_hot(cx.now, head);
            cx.counts.rooms_heated += 1;
            send_way_to_all(state, cx, id, HotWay::Both);
        }
        Heat::Cooled => {
            send_way_to_all(state, cx, id, HotWay::Direct);
            cx.outbox.close_hot(id);
        }
    }
}

/// An edge has said whether it is reached on the subject of the room's stream. `asks`: it is to be told how it stands in
/// any case.
pub(super) fn on_confirmation(
    state: &mut PartitionState,
    cx: &mut Context,
    to: (&RoomId, &EdgeId),
    (stream, subscribed): (u64, bool),
    asks: bool,
) {
    let (id, edge) = to;
    if state.audiences.is_confirmed(id, edge).is_none() {
        return;
    }
    let Some((current, _)) = cx.outbox.hot_place(id) else {
        if subscribed {
            send_way(state, cx, to, HotWay::Direct);
        }
        return;
    };
    let confirmed = stream == current;
    let was = state.audiences.confirm(id, edge, confirmed);
    match confirmed {
        true if !was || asks => send_way(state, cx, to, HotWay::Hot),
        false if was || asks || !subscribed => {
            send_way(state, cx, to, HotWay::Both);
            cx.outbox.hot_again(cx.now.at, id);
        }
        _ => {}
    }
}

/// A session's edge watches a room: if the room is hot, the edge is told so, unless it has confirmed.
pub(super) fn announce(state: &mut PartitionState, cx: &mut Context, to: (&RoomId, &EdgeId)) {
    let (id, edge) = to;
    let unconfirmed = state.audiences.is_confirmed(id, edge) == Some(false);
    if unconfirmed && cx.outbox.hot_place(id).is_some() {
        send_way(state, cx, to, HotWay::Both);
        cx.outbox.hot_again(cx.now.at, id);
    }
}

fn send_way_to_all(state: &mut PartitionState, cx: &mut Context, id: &RoomId, way: HotWay) {
    for edge in state.audiences.edges(id) {
        send_way(state, cx, (id, &edge), way);
    }
}

fn send_way(state: &mut PartitionState, cx: &mut Context, to: (&RoomId, &EdgeId), way: HotWay) {
    let (stream, next) = cx.outbox.hot_place(to.0).unwrap_or_default();
    let hot = Hot {
        stream,
        next,
        way: way.into(),
    };
    send(state, cx, to, ItemKind::Hot(hot));
}
