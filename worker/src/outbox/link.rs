//! The link to one edge: numbered batches, whose rooms are remembered, and beats.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::id::{RoomId, WorkerId};
use grandstand_common::wire::{Batch, Item, ItemKind, RoomBatch};
use prost::Message;

use super::head::RoomHead;
use super::hot::{BEATS, HotStreams};

/// The most batches whose rooms are remembered (D19).
const REMEMBERED: usize = 4_096;
/// The most rooms remembered for all batches of a link together.
const REMEMBERED_ROOMS: usize = 262_144;

/// The link to one edge.
#[derive(Debug)]
pub(super) struct Link {
    /// The number of the last batch.
    number: u64,
    /// The pending items by room.
    rooms: Vec<RoomBatch>,
    /// The index in `rooms` of a room's last part.
    index: BTreeMap<RoomId, usize>,
    /// The encoded size of `rooms`.
    bytes: usize,
    /// The rooms of the last batches; the last one has `number`.
    history: VecDeque<Vec<RoomId>>,
    history_rooms: usize,
    /// The time of the last batch or beat.
    sent: Instant,
    /// The number of beats after the last batch.
    beats: usize,
    /// The time when the edge was last heard from.
    heard: Instant,
}

impl Link {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            number: 0,
            rooms: Vec::new(),
            index: BTreeMap::new(),
            bytes: 0,
            history: VecDeque::new(),
            history_rooms: 0,
            sent: now,
            beats: 0,
            heard: now,
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    pub(super) fn pending_bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, head: &RoomHead, item: Item, bytes: usize) {
        self.bytes += bytes;
        let same =
            |batch: &RoomBatch| batch.epoch == head.epoch.0 && batch.instance == head.instance.0;
        let at = self.index.get(&head.room).copied();
        if let Some(batch) = at.and_then(|at| self.rooms.get_mut(at)).filter(|b| same(b)) {
            push_item(&mut batch.items, item);
            return;
        }
        self.index.insert(head.room.clone(), self.rooms.len());
        self.rooms.push(RoomBatch {
            room: head.room.to_string(),
            epoch: head.epoch.0,
            instance: head.instance.0,
            items: vec![item],
            ..RoomBatch::default()
        });
    }

    /// Adds to the pending items of hot rooms how far the rooms' streams have come.
    pub(super) fn set_positions(&mut self, hot: &HotStreams) {
        if hot.is_empty() {
            return;
        }
        for batch in &mut self.rooms {
            let room = batch.room.parse().ok();
            let position = room.and_then(|room: RoomId| hot.position(&room));
            (batch.stream, batch.first) = position.unwrap_or_default();
        }
    }

    /// Encodes the pending items as the next batch; `None` if there are none.
    pub(super) fn seal(&mut self, now: Instant, worker: &WorkerId) -> Option<Bytes> {
        if self.rooms.is_empty() {
            return None;
        }
        self.number += 1;
        let batch = Batch {
            worker: worker.to_string(),
            number: self.number,
            beat: false,
            rooms: std::mem::take(&mut self.rooms),
        };
        self.bytes = 0;
        let rooms = std::mem::take(&mut self.index).into_keys().collect();
        self.remember(rooms);
        self.sent = now;
        self.beats = 0;
        Some(batch.encode_to_vec().into())
    }

    /// Encodes a beat: the number of the last batch. With `restart`, further beats follow as after a batch.
    pub(super) fn beat(&mut self, now: Instant, worker: &WorkerId, restart: bool) -> Bytes {
        self.sent = now;
        self.beats = if restart { 0 } else { self.beats + 1 };
        let batch = Batch {
            worker: worker.to_string(),
            number: self.number,
            beat: true,
            rooms: Vec::new(),
        };
        batch.encode_to_vec().into()
    }

    pub(super) fn next_beat(&self) -> Option<Instant> {
        let after = match self.beats {
            0 => BEATS[0],
            1 => BEATS[1] - BEATS[0],
            _ => BEATS[2],
        };
        Some(self.sent + after)
    }

    /// The rooms of the batches `from..=to`; `None` if not all of these are remembered.
    pub(super) fn rooms(&self, from: u64, to: u64) -> Option<BTreeSet<&RoomId>> {
        let first = self.number + 1 - self.history.len() as u64;
        if from < first || from == 0 {
            return None;
        }
        let skip = usize::try_from(from - first).ok()?;
        let take =
            usize::try_from(to.min(self.number).saturating_add(1).saturating_sub(from)).ok()?;
        Some(
            self.history
                .iter()
                .skip(skip)
                .take(take)
                .flatten()
                .collect(),
        )
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    pub(super) fn heard_at(&self) -> Instant {
        self.heard
    }

    pub(super) fn is_silent(&self, now: Instant, after: Duration) -> bool {
        now.saturating_duration_since(self.heard) >= after
    }

    pub(super) fn forget_rooms(&mut self) {
        self.history = VecDeque::new();
        self.history_rooms = 0;
    }

    pub(super) fn clear(&mut self) {
        self.rooms.clear();
        self.index.clear();
        self.bytes = 0;
    }

    fn remember(&mut self, rooms: Vec<RoomId>) {
        self.history_rooms += rooms.len();
        self.history.push_back(rooms);
        while self.history.len() > REMEMBERED || self.history_rooms > REMEMBERED_ROOMS {
            let Some(rooms) = self.history.pop_front() else {
                return;
            };
            self.history_rooms -= rooms.len();
        }
    }
}

/// Adds an item. A `Processed` replaces an earlier one of its session without a gap, and a repeated `Gone` is dropped.
fn push_item(items: &mut Vec<Item>, item: Item) {
    match &item.kind {
        Some(ItemKind::Processed(new)) => {
            let earlier = items.iter().rposition(|item| match &item.kind {
                Some(ItemKind::Processed(old)) => {
                    old.session == new.session
                        && old.n != 0
                        && old.gap.is_none()
                        && (old.lost, old.ended) == (new.lost, new.ended)
                }
                _ => false,
            });
            if let Some(at) = earlier {
                items.remove(at);
            }
        }
        Some(ItemKind::Gone(new)) => {
            let said = |item: &Item| matches!(&item.kind, Some(ItemKind::Gone(old)) if old == new);
            if items.iter().any(said) {
                return;
            }
        }
        _ => {}
    }
    items.push(item);
}
