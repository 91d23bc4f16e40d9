//! Messages on the subjects of hot rooms, and switches to and from these subjects (D22).

use bytes::Bytes;
use grandstand_common::clock::Now;
use grandstand_common::id::{Epoch, Lane as LaneId};
use grandstand_common::wire::{Batch, Hot, HotSubjects, Item, ItemKind, RoomBatch};
use prost::Message;

use super::items;
use crate::core::delivery;
use crate::core::effects::{Effects, OwnerNote};
use crate::core::ids::RoomKey;
use crate::core::rooms::hot::{HotStream, Source};
use crate::core::state::Hub;

/// Handles an owner's decision whether messages for all edges arrive on the room's subject or directly.
pub(super) fn on_change(hub: &mut Hub, effects: &mut Effects, key: RoomKey, hot: &Hot, now: Now) {
    let Some(room) = hub.rooms.get_mut(key) else {
        return;
    };
    let epoch = room.epoch();
    let known = room.hot().filter(|stream| stream.is(epoch, hot.stream));
    let way = HotSubjects::try_from(hot.way).unwrap_or(HotSubjects::Direct);
    if way == HotSubjects::Direct {
        let has_gap =
            known.is_some_and(|h| h.source() == Source::Subject && h.advance_to(hot.next));
        room.end_hot(effects);
        if has_gap {
            items::ask_for_lost(hub, effects, key);
        }
        return;
    }
    if known.is_none() {
        room.start_hot(HotStream::new(epoch, hot), effects);
    }
    let Some(stream) = room.hot() else {
        return;
    };
    match (way, stream.source()) {
        // The owner follows an earlier report, but the subject may not reach this edge any more.
        (HotSubjects::Hot, Source::Link) => items::ask_for_lost(hub, effects, key),
        (HotSubjects::Hot, _) => {
            for (number, kind) in stream.follow(hot.next) {
                take_numbered(hub, effects, key, number, kind, now);
            }
        }
        (_, Source::Subject) => {
            let has_gap = stream.leave(hot.next);
            if has_gap {
                items::ask_for_lost(hub, effects, key);
            }
        }
        _ => {}
    }
}

/// Whether items before `next` of the room's subject, which arrive before the owner's direct messages, are lost. The
/// owner is then asked for them, and frames for single players wait until they are there (D31).
pub(super) fn lacks_items(
    hub: &mut Hub,
    effects: &mut Effects,
    key: RoomKey,
    stream: u64,
    next: u64,
) -> bool {
    let Some(room) = hub.rooms.get_mut(key).filter(|_| stream > 0) else {
        return false;
    };
    let epoch = room.epoch();
    let known = room.hot().filter(|known| known.is(epoch, stream));
    let lacks = known.is_some_and(|hot| hot.source() == Source::Subject && hot.advance_to(next));
    if lacks {
        effects.counts().gaps += 1;
        items::ask_for_lost(hub, effects, key);
    }
    lacks
}

/// Handles a message on `hot.{room}`.
pub(in crate::core) fn on_hot(hub: &mut Hub, effects: &mut Effects, payload: Bytes, now: Now) {
    match Batch::decode(payload) {
        Ok(batch) => {
            for room in batch.rooms {
                on_room(hub, effects, room, now);
            }
        }
        Err(error) => {
            effects.counts().unreadable += 1;
            tracing::warn!(%error, "cannot decode a batch from a worker: it is dropped");
        }
    }
}

fn on_room(hub: &mut Hub, effects: &mut Effects, batch: RoomBatch, now: Now) {
    let Some(key) = hub.rooms.find(batch.room.as_str()) else {
        return;
    };
    let Some(room) = hub.rooms.get_mut(key) else {
        return;
    };
    let epoch = room.epoch();
    let instance = room.instance();
    let is_current = epoch == Epoch(batch.epoch) && instance.0 == batch.instance;
    let stream = room.hot().filter(|stream| stream.is(epoch, batch.stream));
    let Some(stream) = stream.filter(|_| is_current) else {
        return;
    };
    match stream.source() {
        Source::Link => {
            stream.keep(batch);
            effects.tell_owner(key, OwnerNote::Changed);
        }
        Source::Both => stream.keep(batch),
        Source::Subject => {
            let first = batch.first;
            let next = batch.first + batch.items.len() as u64;
            for (number, Item { kind }) in (first..).zip(batch.items) {
                if let Some(kind) = kind {
                    take_numbered(hub, effects, key, number, kind, now);
                }
            }
            let stream = hub.rooms.get_mut(key).and_then(|room| room.hot());
            if stream
                .is_some_and(|stream| stream.source() == Source::Subject && stream.advance_to(next))
            {
                effects.counts().gaps += 1;
                items::ask_for_lost(hub, effects, key);
            }
        }
    }
    for lane in LaneId::ALL {
        delivery::mark_dirty(hub, effects, key.lane(lane));
    }
}

fn take_numbered(
    hub: &mut Hub,
    effects: &mut Effects,
    key: RoomKey,
    number: u64,
    kind: ItemKind,
    now: Now,
) {
    let Some(room) = hub.rooms.get_mut(key) else {
        return;
    };
    let Some(has_gap) = room.hot().and_then(|stream| stream.take(number)) else {
        return;
    };
    // The subject carries items for all edges, including those that do not watch this lane.
    let is_watched = match &kind {
        ItemKind::Snapshot(snapshot) => LaneId::from_index(snapshot.lane as usize)
            .is_some_and(|lane| room.lane(lane).is_watched()),
        _ => true,
    };
    if is_watched {
        items::apply(hub, effects, key, kind, now);
    }
    if has_gap {
        effects.counts().gaps += 1;
        items::ask_for_lost(hub, effects, key);
    }
}
