//! What goes to edges: gathered per edge and turn, numbered, and remembered so that a loss can be healed (D19).

mod head;

mod link;

mod hot;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::id::{EdgeId, RoomId, WorkerId};
use grandstand_common::wire::{Item, ItemKind, LinkReply, LinkRequest};
use prost::Message;

use crate::deadlines::Deadlines;
use grandstand_common::clock::Now;
use grandstand_common::subject;
pub(crate) use head::{ItemTooBig, RoomHead};
use hot::Streams;
use link::Link;

/// What a batch and the frame around it need beside its items.
const BATCH_OVERHEAD: usize = 512;
/// Edges that nothing was heard of for so long get no more beats.
const SILENT_AFTER: Duration = Duration::from_secs(600);
/// Links whose numbers are kept, silent ones included.
const MAX_LINKS: usize = 16_384;
/// The most rooms in an answer to a [`LinkRequest`]; more are `all`.
const MAX_REPLY_ROOMS: usize = 8_192;

/// The links to all edges.
#[derive(Debug)]
pub(crate) struct Outbox {
    worker: WorkerId,
    max_bytes: usize,
    links: BTreeMap<EdgeId, Link>,
    touched: Vec<EdgeId>,
    /// What is to be published, and where.
    sealed: VecDeque<(String, Bytes)>,
    beats: Deadlines<EdgeId>,
    hot: Streams,
}

impl Outbox {
    pub(crate) fn new(worker: WorkerId, max_payload: usize) -> Self {
        Self {
            worker,
            max_bytes: max_payload.saturating_sub(BATCH_OVERHEAD),
            links: BTreeMap::new(),
            touched: Vec::new(),
            sealed: VecDeque::new(),
            beats: Deadlines::default(),
            hot: Streams::default(),
        }
    }

    /// Adds an item for an edge. It goes out with the turn's batch, or at once with what is before it when that is full.
    pub(crate) fn push(
        &mut self,
        now: Instant,
        edge: &EdgeId,
        head: &RoomHead,
        kind: ItemKind,
    ) -> Result<(), ItemTooBig> {
        let item = Item { kind: Some(kind) };
        let bytes = item.encoded_len() + head.room.as_str().len() + 48;
        if bytes > self.max_bytes {
            return Err(ItemTooBig { bytes });
        }
        if !self.links.contains_key(edge) {
            self.evict_link();
            self.links.insert(edge.clone(), Link::new(now));
        }
        let Some(link) = self.links.get_mut(edge) else {
            return Ok(());
        };
        if link.pending_bytes() + bytes > self.max_bytes
            && let Some(payload) = link.seal(now, &self.worker)
        {
            self.sealed.push_back((subject::edge(edge), payload));
        }
        if link.is_empty() {
            self.touched.push(edge.clone());
        }
        link.push(head, item, bytes);
        Ok(())
    }

    /// Ends a turn: each edge that has something pending gets its batch.
    pub(crate) fn flush(&mut self, now: Instant) {
        let hot = self.hot.flush(now, &self.worker);
        self.seal_hot(hot);
        for edge in std::mem::take(&mut self.touched) {
            let Some(link) = self.links.get_mut(&edge) else {
                continue;
            };
            if let Some(payload) = link.seal(now, &self.worker) {
                self.sealed.push_back((subject::edge(&edge), payload));
            }
            self.beats.set(&edge, link.next_beat());
        }
    }

    /// The next batch to publish, and its subject. Call until `None` after [`flush`](Self::flush), or any time.
    pub(crate) fn poll(&mut self) -> Option<(String, Bytes)> {
        self.sealed.pop_front()
    }

    /// The number of the last batch for this edge.
    pub(crate) fn number(&self, edge: &EdgeId) -> u64 {
        self.links.get(edge).map_or(0, Link::number)
    }

    /// The edge lives.
    pub(crate) fn heard(&mut self, now: Instant, edge: &EdgeId) {
        if let Some(link) = self.links.get_mut(edge) {
            link.heard(now);
            self.beats.set(edge, link.next_beat());
        }
    }

    /// Which rooms were in the batches that an edge misses.
    pub(crate) fn handle_request(&mut self, now: Instant, request: &LinkRequest) -> LinkReply {
        let all = LinkReply {
            all: true,
            rooms: Vec::new(),
        };
        let Ok(edge) = request.edge.parse::<EdgeId>() else {
            return all;
        };
        self.heard(now, &edge);
        match self.links.get(&edge) {
            Some(link) => match link.rooms(request.from, request.to) {
                Some(rooms) if rooms.len() <= MAX_REPLY_ROOMS => LinkReply {
                    all: false,
                    rooms: rooms.iter().map(ToString::to_string).collect(),
                },
                _ => all,
            },
            None => all,
        }
    }

    /// This worker's own connection is back: every edge hears the last number at once.
    pub(crate) fn handle_reconnected(&mut self, now: Instant) {
        let edges: Vec<_> = self.links.keys().cloned().collect();
        for edge in edges {
            self.beat(now, &edge, true);
        }
        self.hot.restart_all_beats(now);
    }

    /// Sends the beats that are due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for edge in self.beats.take_due(now) {
            self.beat(now, &edge, false);
        }
        let beats = self.hot.take_beats(now, &self.worker);
        self.seal_hot(beats);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.beats
            .next()
            .into_iter()
            .chain(self.hot.next_beat())
            .min()
    }

    /// Forgets what is not published; its numbers are holes that the edges ask about.
    pub(crate) fn clear(&mut self) {
        self.sealed.clear();
        self.touched.clear();
        self.hot.clear();
        for link in self.links.values_mut() {
            link.clear();
        }
    }

    fn beat(&mut self, now: Instant, edge: &EdgeId, restart: bool) {
        let Some(link) = self.links.get_mut(edge) else {
            return;
        };
        if link.is_silent(now, SILENT_AFTER) {
            link.forget_rooms();
            self.beats.set(edge, None);
            return;
        }
        if link.is_empty() {
            let payload = link.beat(now, &self.worker, restart);
            self.sealed.push_back((subject::edge(edge), payload));
        }
        self.beats.set(edge, link.next_beat());
    }

    /// A room is hot from now on: it has a stream of its own.
    pub(crate) fn open_hot(&mut self, now: Now, head: RoomHead) {
        self.hot.open(now.at, head, now.unix_ms);
    }

    /// A room is not hot any more; what its stream has goes out.
    pub(crate) fn close_hot(&mut self, room: &RoomId) {
        let rest = self.hot.close(&self.worker, room);
        self.seal_hot(rest.map(|rest| (room.clone(), rest)));
    }

    /// A room is gone, or another's: what its stream has does not go out.
    pub(crate) fn forget_hot(&mut self, room: &RoomId) {
        self.hot.forget(room);
    }

    /// The stream of a hot room, and the number of its next item.
    pub(crate) fn hot_position(&self, room: &RoomId) -> Option<(u64, u64)> {
        self.hot.position(room)
    }

    /// Adds an item to a hot room's stream.
    pub(crate) fn push_hot(&mut self, room: &RoomId, kind: ItemKind) -> Result<(), ItemTooBig> {
        let sealed = self.hot.push(&self.worker, room, kind, self.max_bytes)?;
        self.seal_hot(sealed.map(|sealed| (room.clone(), sealed)));
        Ok(())
    }

    /// An edge is to hear on a room's subject soon: beats follow as after a message.
    pub(crate) fn restart_hot_beats(&mut self, now: Instant, room: &RoomId) {
        self.hot.restart_beats(now, room);
    }

    fn seal_hot(&mut self, sealed: impl IntoIterator<Item = (RoomId, Bytes)>) {
        let sealed = sealed.into_iter();
        self.sealed
            .extend(sealed.map(|(room, payload)| (subject::hot(&room), payload)));
    }

    fn evict_link(&mut self) {
        if self.links.len() < MAX_LINKS {
            return;
        }
        let links = self.links.iter().filter(|(_, link)| link.is_empty());
        let oldest = links.min_by_key(|(_, link)| link.heard_at());
        if let Some(edge) = oldest.map(|(edge, _)| edge.clone()) {
            self.links.remove(&edge);
            self.beats.set(&edge, None);
        }
    }
}

#[cfg(test)]
mod tests;
