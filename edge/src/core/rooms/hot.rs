//! The subject of a hot room, on which messages for all edges arrive (D22).
//!
//! A subscription does not take effect at once, so an edge tells the owner when the first message on the subject has
//! arrived. The owner then names the number from which on it publishes on the subject only. Until that number the edge
//! takes items that arrive directly, and keeps items from the subject. So no item is lost, and none is applied twice.

use std::collections::VecDeque;

use grandstand_common::id::Epoch;
use grandstand_common::wire::{Hot, ItemKind, RoomBatch};

/// The most items that are kept until the owner names the first number that counts. Beyond that the oldest are dropped,
/// which leaves a gap.
const KEPT: usize = 1024;

/// The path on which messages for all edges arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Directly; no message has arrived on the room's subject yet.
    Link,
    /// Directly, but the owner is told that messages on the room's subject arrive.
    Both,
    /// The room's subject.
    Subject,
}

/// The stream of messages on a hot room's subject.
#[derive(Debug)]
pub(crate) struct HotStream {
    epoch: Epoch,
    stream: u64,
    /// The last number that was applied or arrived directly.
    last: u64,
    source: Source,
    /// Numbered items from the subject that are not applied yet.
    kept: VecDeque<(u64, ItemKind)>,
}

impl HotStream {
    /// Creates the stream that an owner has announced.
    pub(crate) fn new(epoch: Epoch, hot: &Hot) -> Self {
        Self {
            epoch,
            stream: hot.stream,
            last: hot.next.saturating_sub(1),
            source: Source::Link,
            kept: VecDeque::new(),
        }
    }

    /// Whether this is the stream `stream` of the owner with this epoch.
    pub(crate) fn is(&self, epoch: Epoch, stream: u64) -> bool {
        self.stream == stream && self.epoch == epoch
    }

    /// The path on which messages for all edges arrive.
    pub(crate) fn source(&self) -> Source {
        self.source
    }

    /// The number of this owner's stream if a message of it has arrived; else 0.
    pub(crate) fn reached(&self, epoch: Epoch) -> u64 {
        if self.source != Source::Link && self.epoch == epoch {
            self.stream
        } else {
            0
        }
    }

    /// Keeps the items of a batch from the subject until the owner names the first number that counts.
    pub(crate) fn keep(&mut self, batch: RoomBatch) {
        if self.source == Source::Link {
            self.source = Source::Both;
        }
        for (number, item) in (batch.first..).zip(batch.items) {
            if let Some(kind) = item.kind {
                self.kept.push_back((number, kind));
            }
        }
        while self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    /// Switches to the subject from number `next` on. Returns the kept items, which are applied first.
    pub(crate) fn follow(&mut self, next: u64) -> VecDeque<(u64, ItemKind)> {
        // Earlier numbers have arrived directly, or are in the batch that brought this change.
        self.advance_to(next);
        self.source = Source::Subject;
        std::mem::take(&mut self.kept)
    }

    /// Switches back to direct messages from number `next` on. Returns whether numbers before it are missing.
    pub(crate) fn leave(&mut self, next: u64) -> bool {
        let has_gap = self.advance_to(next);
        self.source = Source::Link;
        has_gap
    }

    /// Accepts the item `number`. Returns whether numbers before it are missing; `None` if the item is a repeat.
    pub(crate) fn take(&mut self, number: u64) -> Option<bool> {
        if number <= self.last {
            return None;
        }
        let has_gap = self.advance_to(number);
        self.last = number;
        Some(has_gap)
    }

    /// Continues from `next`. Returns whether numbers before it are missing; they will not arrive any more.
    pub(crate) fn advance_to(&mut self, next: u64) -> bool {
        let has_gap = self.last + 1 < next;
        self.last = self.last.max(next.saturating_sub(1));
        has_gap
    }

    /// Returns to direct messages because the subscription may be lost.
    pub(crate) fn reset(&mut self) {
        self.source = Source::Link;
        self.kept.clear();
    }
}
