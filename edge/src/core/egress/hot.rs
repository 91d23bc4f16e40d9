//! Hot rooms: what concerns all edges that watch a room comes on the room's own subject (D22).
//!
//! "Subscribed" is not yet "reached": an edge tells the owner when it has first received something there. Until the owner
//! says from which number on it sends it there alone, the edge takes what comes directly, and keeps what comes on the
//! room's subject. So nothing is lost, and nothing is taken twice.

use std::collections::VecDeque;

use bytes::Bytes;
use grandstand_common::clock::Now;
use grandstand_common::id::{Epoch, Lane as LaneId};
use grandstand_common::wire::{Batch, Hot, HotWay, Item, ItemKind, RoomBatch};
use prost::Message;

use crate::conn::transport::Transport;
use crate::core::rooms::room::{Room, RoomKey};
use crate::core::{Command, Core};

/// Items that are kept until the owner says which of them count; with more, the oldest are asked for anew.
const KEPT: usize = 1024;

/// Where what concerns all edges comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Directly; nothing has come on the room's subject yet.
    Link,
    /// Directly, but the owner is told that this edge is reached on the room's subject.
    Both,
    /// The room's subject.
    Subject,
}

/// A hot room's subject, as this edge is subscribed to it.
#[derive(Debug)]
pub struct Heat {
    epoch: Epoch,
    stream: u64,
    /// The last number that was taken, or came directly.
    last: u64,
    from: Source,
    kept: VecDeque<(u64, ItemKind)>,
}

impl Heat {
    fn new(epoch: Epoch, hot: &Hot) -> Self {
        Self {
            epoch,
            stream: hot.stream,
            last: hot.next.saturating_sub(1),
            from: Source::Link,
            kept: VecDeque::new(),
        }
    }

    fn keep(&mut self, batch: RoomBatch) {
        for (number, item) in (batch.first..).zip(batch.items) {
            if let Some(kind) = item.kind {
                self.kept.push_back((number, kind));
            }
        }
        while self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    /// Whether numbers before `next` have not come; they do not come any more.
    fn misses(&mut self, next: u64) -> bool {
        let misses = self.last + 1 < next;
        self.last = self.last.max(next.saturating_sub(1));
        misses
    }
}

impl Room {
    /// The stream from which something has come on the room's subject, and whether that is subscribed to.
    pub(crate) fn heat_known(&self) -> (u64, bool) {
        let reached = |heat: &&Heat| heat.from != Source::Link && heat.epoch == self.epoch;
        let stream = self.heat.as_deref().filter(reached).map_or(0, |h| h.stream);
        (stream, self.heat.is_some())
    }
}

impl Core {
    /// The owner says how this edge is sent what concerns all.
    pub(crate) fn on_heat(&mut self, key: RoomKey, hot: &Hot, now: Now, sink: &mut impl Transport) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        let epoch = room.epoch;
        let same = |heat: &Heat| heat.stream == hot.stream && heat.epoch == epoch;
        let way = HotWay::try_from(hot.way).unwrap_or(HotWay::Direct);
        if way == HotWay::Direct {
            let misses = room.heat.as_mut().is_some_and(|heat| {
                same(heat) && heat.from == Source::Subject && heat.misses(hot.next)
            });
            self.cool(key);
            if misses {
                self.sync(key, now);
            }
            return;
        }
        match &mut room.heat {
            Some(heat) if same(heat) => {}
            Some(heat) => **heat = Heat::new(epoch, hot),
            None => {
                room.heat = Some(Box::new(Heat::new(epoch, hot)));
                let room = room.id.clone();
                self.effects.command(Command::Subscribe { room });
            }
        }
        let Some(heat) = self.rooms[key].heat.as_deref_mut() else {
            return;
        };
        match (way, heat.from) {
            // It does not know that it is reached there.
            (HotWay::Hot, Source::Link) => self.sync(key, now),
            (HotWay::Hot, _) => {
                // What came before has come directly, or is in the answer that this is part of.
                heat.misses(hot.next);
                self.go_on_there(key, now, sink);
            }
            (_, Source::Subject) => {
                let misses = heat.misses(hot.next);
                heat.from = Source::Link;
                if misses {
                    self.sync(key, now);
                }
            }
            _ => {}
        }
    }

    /// From now on the room's subject counts, beginning with what of it was kept.
    fn go_on_there(&mut self, key: RoomKey, now: Now, sink: &mut impl Transport) {
        let Some(heat) = self.rooms[key].heat.as_deref_mut() else {
            return;
        };
        heat.from = Source::Subject;
        for (number, kind) in std::mem::take(&mut heat.kept) {
            self.take_numbered(key, (number, kind), now, sink);
        }
    }

    /// A message on `hot.{room}`.
    pub fn handle_hot(&mut self, payload: Bytes, now: Now, sink: &mut impl Transport) {
        let batch = match Batch::decode(payload) {
            Ok(batch) => batch,
            Err(error) => {
                self.effects.counts().unreadable += 1;
                tracing::warn!(%error, "a batch from a worker cannot be read");
                return;
            }
        };
        for room in batch.rooms {
            self.on_hot_room(room, now, sink);
        }
    }

    fn on_hot_room(&mut self, batch: RoomBatch, now: Now, sink: &mut impl Transport) {
        let Some(&key) = self.names.get(batch.room.as_str()) else {
            return;
        };
        let room = &mut self.rooms[key];
        let (epoch, instance, partition) = (room.epoch, room.instance, room.partition);
        let Some(heat) = room.heat.as_deref_mut() else {
            return;
        };
        let is_ours = heat.stream == batch.stream
            && (epoch, epoch) == (heat.epoch, Epoch(batch.epoch))
            && instance.0 == batch.instance;
        if !is_ours {
            return;
        }
        match heat.from {
            Source::Link => {
                heat.from = Source::Both;
                heat.keep(batch);
                self.tell_soon(partition, key, now);
            }
            Source::Both => heat.keep(batch),
            Source::Subject => {
                let (first, next) = (batch.first, batch.first + batch.items.len() as u64);
                for (number, Item { kind }) in (first..).zip(batch.items) {
                    if let Some(kind) = kind {
                        self.take_numbered(key, (number, kind), now, sink);
                    }
                }
                let heat = self.rooms[key].heat.as_deref_mut();
                if heat.is_some_and(|heat| heat.from == Source::Subject && heat.misses(next)) {
                    self.effects.counts().holes += 1;
                    self.sync(key, now);
                }
            }
        }
        for lane in LaneId::ALL {
            self.dirty(key, lane);
        }
    }

    fn take_numbered(
        &mut self,
        key: RoomKey,
        (number, kind): (u64, ItemKind),
        now: Now,
        sink: &mut impl Transport,
    ) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        let Some(heat) = room.heat.as_deref_mut().filter(|h| number > h.last) else {
            return;
        };
        let misses = heat.misses(number);
        heat.last = number;
        // It is for all edges, also those that do not watch this lane.
        let is_watched = match &kind {
            ItemKind::Snapshot(snapshot) => room.watched.get(snapshot.lane as usize) == Some(&true),
            _ => true,
        };
        if is_watched {
            self.on_item(key, kind, now, sink);
        }
        if misses {
            self.effects.counts().holes += 1;
            self.sync(key, now);
        }
    }

    /// The room is not hot any more, or not of interest.
    pub(crate) fn cool(&mut self, key: RoomKey) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        if room.heat.take().is_some() {
            let room = room.id.clone();
            self.effects.command(Command::Unsubscribe { room });
        }
    }

    /// The bus was away: who is subscribed is not yet reached again.
    pub(crate) fn doubt_heat(&mut self) {
        for (_, room) in &mut self.rooms {
            if let Some(heat) = &mut room.heat {
                heat.from = Source::Link;
                heat.kept.clear();
            }
        }
    }
}
