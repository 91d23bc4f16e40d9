//! Batches to edges: collected per turn, numbered, and remembered so that losses can be repaired (D19).

mod head;

mod link;

mod hot;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::id::{EdgeId, RoomId, WorkerId};
use grandstand_common::log_clock::Now;
use grandstand_common::subject;
use grandstand_common::wire::{Item, ItemKind, LinkReply, LinkRequest};
use prost::Message;

use crate::deadlines::Deadlines;
use hot::HotStreams;
use link::Link;

pub(crate) use head::{ItemTooBig, RoomHead};

/// The most bytes of a batch and its frame beside the items.
const BATCH_OVERHEAD: usize = 512;
/// The silence after which an edge no longer gets beats.
const SILENT_AFTER: Duration = Duration::from_secs(600);
/// The most links whose numbers are kept, silent ones included.
const MAX_LINKS: usize = 16_384;
/// The most rooms in an answer to a [`LinkRequest`]. For more rooms the answer is `all`.
const MAX_REPLY_ROOMS: usize = 8_192;

/// The links to all edges, and the streams of hot rooms.
#[derive(Debug)]
pub(crate) struct Outbox {
    worker: WorkerId,
    max_bytes: usize,
    links: BTreeMap<EdgeId, Link>,
    /// The edges whose links got items in this turn.
    touched: Vec<EdgeId>,
    /// Encoded batches to publish, with their subjects.
    sealed: VecDeque<(String, Bytes)>,
    beats: Deadlines<EdgeId>,
    hot: HotStreams,
}

/// The most bytes of a batch's items.
fn max_bytes(max_payload: usize) -> usize {
    max_payload.saturating_sub(BATCH_OVERHEAD)
}

impl Outbox {
    pub(crate) fn new(worker: WorkerId, max_payload: usize) -> Self {
        Self {
            worker,
            max_bytes: max_bytes(max_payload),
            links: BTreeMap::new(),
            touched: Vec::new(),
            sealed: VecDeque::new(),
            beats: Deadlines::default(),
            hot: HotStreams::default(),
        }
    }

    /// Changes the limit of a batch, which a reconnect can change.
    pub(crate) fn set_max_payload(&mut self, max_payload: usize) {
        self.max_bytes = max_bytes(max_payload);
    }

    /// Adds an item for an edge to the batch of this turn. A full batch is sealed before, and the item begins the next.
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
        let Some(link) = self.links.get(edge) else {
            return Ok(());
        };
        if link.pending_bytes() + bytes > self.max_bytes {
            let hot = self.hot.flush(now, &self.worker);
            self.seal_hot(hot);
            self.seal_link(now, edge);
        }
        if let Some(link) = self.links.get_mut(edge) {
            if link.is_empty() {
                self.touched.push(edge.clone());
            }
            link.push(head, item, bytes);
        }
        Ok(())
    }

    /// Ends a turn: seals the batches of all edges and hot rooms with pending items.
    pub(crate) fn flush(&mut self, now: Instant) {
        let hot = self.hot.flush(now, &self.worker);
        self.seal_hot(hot);
        for edge in std::mem::take(&mut self.touched) {
            self.seal_link(now, &edge);
            let beat = self.links.get(&edge).and_then(Link::next_beat);
            self.beats.set(&edge, beat);
        }
    }

    /// The next batch to publish, and its subject. Call it until `None`, at least after [`flush`](Self::flush).
    pub(crate) fn poll(&mut self) -> Option<(String, Bytes)> {
        self.sealed.pop_front()
    }

    /// The number of the last batch for this edge.
    pub(crate) fn number(&self, edge: &EdgeId) -> u64 {
        self.links.get(edge).map_or(0, Link::number)
    }

    /// Records that the edge was heard from.
    pub(crate) fn heard(&mut self, now: Instant, edge: &EdgeId) {
        if let Some(link) = self.links.get_mut(edge) {
            link.heard(now);
            self.beats.set(edge, link.next_beat());
        }
    }

    /// Answers which rooms were in the batches that an edge misses.
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

    /// Handles a reconnect of this worker: sends every edge a beat with the last number.
    pub(crate) fn handle_reconnected(&mut self, now: Instant) {
        let edges: Vec<_> = self.links.keys().cloned().collect();
        for edge in edges {
            self.beat(now, &edge, true);
        }
        self.hot.restart_all_beats(now);
    }

    /// Adds the beats that are due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for edge in self.beats.take_due(now) {
            self.beat(now, &edge, false);
        }
        let beats = self.hot.take_beats(now, &self.worker);
        self.seal_hot(beats);
    }

    /// The time of the next call of [`handle_timeout`](Self::handle_timeout).
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.beats
            .next()
            .into_iter()
            .chain(self.hot.next_beat())
            .min()
    }

    /// Drops all items and batches that are not published. Edges notice the gaps in the numbers and request their rooms.
    pub(crate) fn clear(&mut self) {
        self.sealed.clear();
        self.touched.clear();
        self.hot.clear();
        for link in self.links.values_mut() {
            link.clear();
        }
    }

    /// Adds a beat for an edge. A silent edge gets none any more, and its remembered rooms are dropped.
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

    /// Opens the stream of a room that has become hot.
    pub(crate) fn open_hot(&mut self, now: Now, head: RoomHead) {
        self.hot.open(now.at, head, now.log_ms);
    }

    /// Closes the stream of a room that has become cold, and seals its pending items.
    pub(crate) fn close_hot(&mut self, room: &RoomId) {
        let rest = self.hot.close(&self.worker, room);
        self.seal_hot(rest.map(|rest| (room.clone(), rest)));
    }

    /// Drops the stream of a room that is deleted or has another owner, with its pending items.
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

    /// Restarts the beats of a hot room, so that a new subscriber soon receives one.
    pub(crate) fn restart_hot_beats(&mut self, now: Instant, room: &RoomId) {
        self.hot.restart_beats(now, room);
    }

    /// Seals the batch of a link. The items of hot rooms are sealed before, because the batch may contain acks of them, and
    /// its rooms carry how far their streams have come (D31).
    fn seal_link(&mut self, now: Instant, edge: &EdgeId) {
        let Some(link) = self.links.get_mut(edge) else {
            return;
        };
        link.set_positions(&self.hot);
        if let Some(payload) = link.seal(now, &self.worker) {
            self.sealed.push_back((subject::edge(edge), payload));
        }
    }

    fn seal_hot(&mut self, sealed: impl IntoIterator<Item = (RoomId, Bytes)>) {
        let sealed = sealed.into_iter();
        self.sealed
            .extend(sealed.map(|(room, payload)| (subject::hot(&room), payload)));
    }

    /// Removes the link without pending items that was not heard from for longest, if there are too many.
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
