//! Hot rooms: shared messages of a room with very many edges are published once, on the room's own subject (D22).
//!
//! A room becomes hot when more than `hot_edges` edges watch it, and stops being hot when fewer than `cold_edges` have
//! watched it for `cold_after`. The owner tells each edge directly that the room is hot. The edge subscribes, and
//! confirms once it has received a message on that subject. Until then the owner also sends it everything directly.
//! After the confirmation the owner tells the edge from which number on the subject alone counts, so that no message is
//! lost or applied twice.

use grandstand_common::id::{EdgeId, RoomId};
use grandstand_common::wire::{Hot, HotSubjects, ItemKind};

use super::audience::HotState;
use super::send::send;
use super::state::PartitionState;
use crate::context::Context;

/// Makes a room hot or ends its hot state, by the number of its edges. Call it after they may have changed.
pub(super) fn update(state: &mut PartitionState, cx: &mut Context, id: &RoomId) {
    let exists = state.rooms.exists(id);
    match state.audiences.check_hot(id, exists, cx.now.at) {
        HotState::Cold => cx.outbox.forget_hot(id),
        HotState::Hot => {}
        HotState::BecameHot => {
            let head = state.head(id);
            cx.outbox.open_hot(cx.now, head);
            cx.counts.rooms_heated += 1;
            send_subjects_to_all(state, cx, id, HotSubjects::Both);
        }
        HotState::BecameCold => {
            send_subjects_to_all(state, cx, id, HotSubjects::Direct);
            cx.outbox.close_hot(id);
        }
    }
}

/// The report of an edge about the subject of a hot room.
#[derive(Debug, Clone, Copy)]
pub(super) struct HotReport {
    /// The stream from which the edge has received a message; 0 for none.
    pub(super) stream: u64,
    /// Whether the edge is subscribed.
    pub(super) subscribed: bool,
    /// Whether the edge needs an answer although nothing changes for it.
    pub(super) needs_answer: bool,
}

/// Handles the report of an edge. The edge gets an answer if the subjects that it needs have changed.
pub(super) fn on_report(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    edge: &EdgeId,
    report: HotReport,
) {
    let HotReport {
        stream,
        subscribed,
        needs_answer,
    } = report;
    if state.audiences.is_confirmed(id, edge).is_none() {
        return;
    }
    let Some((current, _)) = cx.outbox.hot_position(id) else {
        if subscribed {
            send_subjects(state, cx, id, edge, HotSubjects::Direct);
        }
        return;
    };
    let confirmed = stream == current;
    let was_confirmed = state.audiences.confirm(id, edge, confirmed);
    match confirmed {
        true if !was_confirmed || needs_answer => {
            send_subjects(state, cx, id, edge, HotSubjects::Hot)
        }
        false if was_confirmed || needs_answer || !subscribed => {
            send_subjects(state, cx, id, edge, HotSubjects::Both);
            cx.outbox.restart_hot_beats(cx.now.at, id);
        }
        _ => {}
    }
}

/// Tells the edge of a new session that the room is hot, unless the edge has confirmed.
pub(super) fn announce(state: &mut PartitionState, cx: &mut Context, id: &RoomId, edge: &EdgeId) {
    let unconfirmed = state.audiences.is_confirmed(id, edge) == Some(false);
    if unconfirmed && cx.outbox.hot_position(id).is_some() {
        send_subjects(state, cx, id, edge, HotSubjects::Both);
        cx.outbox.restart_hot_beats(cx.now.at, id);
    }
}

fn send_subjects_to_all(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    way: HotSubjects,
) {
    for edge in state.audiences.edges(id) {
        send_subjects(state, cx, id, &edge, way);
    }
}

/// Tells an edge on which way it gets the room's shared messages, and the stream's next number.
fn send_subjects(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    edge: &EdgeId,
    way: HotSubjects,
) {
    let (stream, next) = cx.outbox.hot_position(id).unwrap_or_default();
    let hot = Hot {
        stream,
        next,
        way: way.into(),
    };
    send(state, cx, id, edge, ItemKind::Hot(hot));
}
