//! The streams of hot rooms: items for all edges, published once on the room's own subject (D22).
//!
//! A stream numbers its items. An edge also gets them directly until it has confirmed that it receives the subject, and
//! the numbers show which it misses. Beats carry the number of the next item.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::id::{RoomId, WorkerId};
use grandstand_common::wire::{Batch, Item, ItemKind, RoomBatch};
use prost::Message;

use super::head::{ItemTooBig, RoomHead};
use crate::deadlines::Deadlines;

/// The delays of the first and the second beat after the last batch, and the interval of all further beats.
pub(super) const BEATS: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(30),
];

/// The stream of one hot room.
#[derive(Debug)]
struct HotStream {
    id: u64,
    head: RoomHead,
    /// The number of the next item.
    next: u64,
    /// Items that are not published yet.
    items: Vec<Item>,
    /// The encoded size of `items`.
    bytes: usize,
    /// The time of the last batch or beat.
    sent: Instant,
    /// The number of beats after the last batch.
    beats: usize,
}

impl HotStream {
    /// Encodes the pending items, which may be none, as a batch.
    fn batch(&mut self, worker: &WorkerId) -> Bytes {
        let items = std::mem::take(&mut self.items);
        self.bytes = 0;
        let room = RoomBatch {
            room: self.head.room.to_string(),
            epoch: self.head.epoch.0,
            instance: self.head.instance.0,
            stream: self.id,
            first: self.next - items.len() as u64,
            items,
        };
        let batch = Batch {
            worker: worker.to_string(),
            number: 0,
            beat: false,
            rooms: vec![room],
        };
        batch.encode_to_vec().into()
    }

    fn next_beat(&self) -> Instant {
        let after = match self.beats {
            0 => BEATS[0],
            1 => BEATS[1] - BEATS[0],
            _ => BEATS[2],
        };
        self.sent + after
    }
}

/// The streams of all hot rooms of a worker.
#[derive(Debug, Default)]
pub(super) struct HotStreams {
    streams: BTreeMap<RoomId, HotStream>,
    /// The rooms whose streams got items in this turn.
    touched: Vec<RoomId>,
    beats: Deadlines<RoomId>,
    last_id: u64,
}

impl HotStreams {
    /// Whether no room is hot.
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Opens the stream of a room that has become hot. `least` keeps its id above those of earlier workers.
    pub(super) fn open(&mut self, now: Instant, head: RoomHead, least: u64) -> u64 {
        self.last_id = least.max(self.last_id + 1);
        let stream = HotStream {
            id: self.last_id,
            head,
            next: 1,
            items: Vec::new(),
            bytes: 0,
            sent: now,
            beats: 0,
        };
        let room = stream.head.room.clone();
        self.beats.set(&room, Some(stream.next_beat()));
        self.streams.insert(room, stream);
        self.last_id
    }

    /// Closes the stream of a room that has become cold. Returns the batch of its pending items, if any.
    pub(super) fn close(&mut self, worker: &WorkerId, room: &RoomId) -> Option<Bytes> {
        let mut stream = self.streams.remove(room)?;
        self.beats.set(room, None);
        (!stream.items.is_empty()).then(|| stream.batch(worker))
    }

    /// The stream of a hot room and the number of its next item.
    pub(super) fn position(&self, room: &RoomId) -> Option<(u64, u64)> {
        self.streams.get(room).map(|s| (s.id, s.next))
    }

    /// Adds an item. Returns the batch of the earlier items if the item does not fit after them.
    pub(super) fn push(
        &mut self,
        worker: &WorkerId,
        room: &RoomId,
        kind: ItemKind,
        max_bytes: usize,
    ) -> Result<Option<Bytes>, ItemTooBig> {
        let Some(stream) = self.streams.get_mut(room) else {
            return Ok(None);
        };
        let item = Item { kind: Some(kind) };
        let bytes = item.encoded_len() + 16;
        if bytes + room.as_str().len() + 48 > max_bytes {
            return Err(ItemTooBig { bytes });
        }
        let full = stream.bytes + bytes + room.as_str().len() + 48 > max_bytes;
        let sealed = full.then(|| stream.batch(worker));
        if stream.items.is_empty() {
            self.touched.push(room.clone());
        }
        stream.next += 1;
        stream.bytes += bytes;
        stream.items.push(item);
        Ok(sealed)
    }

    /// Ends a turn. Returns a batch for each room with pending items.
    pub(super) fn flush(&mut self, now: Instant, worker: &WorkerId) -> Vec<(RoomId, Bytes)> {
        let mut sealed = Vec::new();
        for room in std::mem::take(&mut self.touched) {
            if let Some(stream) = self.streams.get_mut(&room).filter(|s| !s.items.is_empty()) {
                (stream.sent, stream.beats) = (now, 0);
                self.beats.set(&room, Some(stream.next_beat()));
                sealed.push((room, stream.batch(worker)));
            }
        }
        sealed
    }

    /// Restarts the beats of a room, as after a batch.
    pub(super) fn restart_beats(&mut self, now: Instant, room: &RoomId) {
        if let Some(stream) = self.streams.get_mut(room) {
            (stream.sent, stream.beats) = (now, 0);
            self.beats.set(room, Some(stream.next_beat()));
        }
    }

    /// Restarts the beats of all rooms, as after a batch.
    pub(super) fn restart_all_beats(&mut self, now: Instant) {
        let rooms: Vec<_> = self.streams.keys().cloned().collect();
        for room in rooms {
            self.restart_beats(now, &room);
        }
    }

    /// The beats that are due.
    pub(super) fn take_beats(&mut self, now: Instant, worker: &WorkerId) -> Vec<(RoomId, Bytes)> {
        let mut beats = Vec::new();
        for room in self.beats.take_due(now) {
            let Some(stream) = self.streams.get_mut(&room) else {
                continue;
            };
            stream.sent = now;
            stream.beats += 1;
            self.beats.set(&room, Some(stream.next_beat()));
            // Pending items go with the beat.
            beats.push((room, stream.batch(worker)));
        }
        beats
    }

    pub(super) fn next_beat(&self) -> Option<Instant> {
        self.beats.next()
    }

    /// Drops pending items. Edges notice the gap in the numbers.
    pub(super) fn clear(&mut self) {
        self.touched.clear();
        for stream in self.streams.values_mut() {
            stream.items.clear();
            stream.bytes = 0;
        }
    }

    /// Drops a room's stream with its pending items.
    pub(super) fn forget(&mut self, room: &RoomId) {
        self.streams.remove(room);
        self.beats.set(room, None);
    }
}
