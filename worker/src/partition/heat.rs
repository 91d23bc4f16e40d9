//! Hot rooms: what concerns all of very many edges is published once, on the room's own subject (D22).
//!
//! A room is hot from so many edges on, and not any more when it has had far fewer for a while. An edge is told directly,
//! subscribes, and says so when it has first received something there; until the owner has heard that, it is sent everything
//! directly too. Then the owner tells it from which number on it gets things on the room's subject alone, so that
//! nothing is lost and nothing comes twice.

use std::time::Instant;

use grandstand_common::id::{EdgeId, RoomId};
use grandstand_common::wire::{Hot, HotWay, ItemKind};

use super::{Owned, Shared};
use crate::stored::quarantine::Why;

/// A room's heat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heat {
    /// Since when it has had few edges.
    few_since: Option<Instant>,
}

impl Owned {
    /// Looks whether a room has become hot, or is not any more. To be called after its edges may have changed.
    pub(super) fn check_heat(&mut self, cx: &mut Shared, id: &RoomId) {
        let exists = self.exists(id);
        let Some(audience) = self.audiences.get_mut(id) else {
            cx.outbox.forget_hot(id);
            return;
        };
        let edges = audience.edges.len();
        match &mut audience.heat {
            None if exists && edges > cx.config.hot_edges => {
                audience.heat = Some(Heat { few_since: None });
                let head = self.head(id);
                cx.outbox.open_hot(cx.now, head);
                cx.counts.rooms_heated += 1;
                self.tell_all_heat(cx, id, HotWay::Both);
            }
            None => cx.outbox.forget_hot(id),
            Some(heat) if edges >= cx.config.cold_edges => heat.few_since = None,
            Some(heat) => {
                let since = *heat.few_since.get_or_insert(cx.now.at);
                if cx.now.at >= since + cx.config.cold_after {
                    audience.heat = None;
                    for watch in audience.edges.values_mut() {
                        watch.confirmed = false;
                    }
                    self.tell_all_heat(cx, id, HotWay::Direct);
                    cx.outbox.close_hot(id);
                }
            }
        }
    }

    /// When to look again.
    pub(super) fn heat_at(&self, cx: &Shared, id: &RoomId) -> Option<Instant> {
        let since = self.audiences.get(id)?.heat?.few_since?;
        Some(since + cx.config.cold_after)
    }

    /// The rooms that are hot.
    pub(crate) fn hot_rooms(&self) -> impl Iterator<Item = &RoomId> {
        let hot = self.audiences.iter().filter(|(_, a)| a.heat.is_some());
        hot.map(|(id, _)| id)
    }

    /// What concerns all edges goes to a hot room's subject; directly it goes to those that have not confirmed alone.
    pub(super) fn publish_hot(
        &mut self,
        cx: &mut Shared,
        id: &RoomId,
        kind: impl FnOnce() -> ItemKind,
    ) {
        let isolated = self
            .slots
            .get(id)
            .is_some_and(|slot| slot.quarantine.is_some());
        let hot = self.audiences.get(id).is_some_and(|a| a.heat.is_some());
        if !hot || isolated {
            return;
        }
        if let Err(error) = cx.outbox.push_hot(id, kind()) {
            tracing::error!(room = %id, %error, "a room sends too much");
            self.quarantine(cx, id, Why::TooBig);
        }
    }

    /// An edge has said whether it is reached on the subject of the room's stream. `asks`: it is to be told how it
    /// stands in any case.
    pub(super) fn on_heat_known(
        &mut self,
        cx: &mut Shared,
        to: (&RoomId, &EdgeId),
        (stream, subscribed): (u64, bool),
        asks: bool,
    ) {
        let (id, edge) = to;
        let current = cx.outbox.hot_place(id);
        let Some(watch) = self
            .audiences
            .get_mut(id)
            .and_then(|a| a.edges.get_mut(edge))
        else {
            return;
        };
        let Some((current, _)) = current else {
            if subscribed {
                self.tell_heat(cx, to, HotWay::Direct);
            }
            return;
        };
        let was = std::mem::replace(&mut watch.confirmed, stream == current);
        match watch.confirmed {
            true if !was || asks => self.tell_heat(cx, to, HotWay::Hot),
            false if was || asks || !subscribed => {
                self.tell_heat(cx, to, HotWay::Both);
                cx.outbox.hot_again(cx.now.at, id);
            }
            _ => {}
        }
    }

    /// A session's edge watches a hot room: it is told so, unless it has confirmed.
    pub(super) fn greet_heat(&mut self, cx: &mut Shared, to: (&RoomId, &EdgeId)) {
        let (id, edge) = to;
        let watch = self.audiences.get(id).and_then(|a| a.edges.get(edge));
        if watch.is_some_and(|w| !w.confirmed) && cx.outbox.hot_place(id).is_some() {
            self.tell_heat(cx, to, HotWay::Both);
            cx.outbox.hot_again(cx.now.at, id);
        }
    }

    fn tell_all_heat(&mut self, cx: &mut Shared, id: &RoomId, way: HotWay) {
        let edges = self.audiences.get(id).map(|a| a.edges.keys().cloned());
        for edge in edges.into_iter().flatten().collect::<Vec<_>>() {
            self.tell_heat(cx, (id, &edge), way);
        }
    }

    fn tell_heat(&mut self, cx: &mut Shared, (id, edge): (&RoomId, &EdgeId), way: HotWay) {
        let (stream, next) = cx.outbox.hot_place(id).unwrap_or_default();
        let hot = Hot {
            stream,
            next,
            way: way.into(),
        };
        self.send(cx, id, edge, ItemKind::Hot(hot));
    }
}
