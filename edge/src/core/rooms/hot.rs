//! A hot room's own subject, on which messages for all edges arrive (D22).
//!
//! "Subscribed" is not yet "reached": an edge tells the owner when it has first received something on the subject. Until
//! the owner names the number from which on it publishes there alone, the edge takes what arrives directly, and keeps
//! what arrives on the subject. So nothing is lost, and nothing is taken twice.

use std::collections::VecDeque;

use grandstand_common::id::Epoch;
use grandstand_common::wire::{Hot, ItemKind, RoomBatch};

/// Items that are kept until the owner names the first that counts; beyond that the oldest are dropped and asked for.
const KEPT: usize = 1024;

/// Where messages for all edges come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Directly; nothing has arrived on the room's subject yet.
    Link,
    /// Directly, but the owner is told that this edge is reached on the room's subject.
    Both,
    /// The room's subject.
    Subject,
}

/// The stream of messages on a hot room's subject.
#[derive(Debug)]
pub(crate) struct HotStream {
    epoch: Epoch,
    stream: u64,
    /// The last number that was taken, or arrived directly.
    last: u64,
    source: Source,
    kept: VecDeque<(u64, ItemKind)>,
}

impl HotStream {
    /// The stream that an owner announces.
    pub(crate) fn new(epoch: Epoch, hot: &Hot) -> Self {
        Self {
            epoch,
            stream: hot.stream,
            last: hot.next.saturating_sub(1),
            source: Source::Link,
            kept: VecDeque::new(),
        }
    }

    /// Whether it is this owner's stream of this number.
    pub(crate) fn is(&self, epoch: Epoch, stream: u64) -> bool {
        self.stream == stream && self.epoch == epoch
    }

    /// Where messages for all edges come from.
    pub(crate) fn source(&self) -> Source {
        self.source
    }

    /// The stream of this owner from which something has arrived; 0 if nothing has.
    pub(crate) fn reached(&self, epoch: Epoch) -> u64 {
        match self.source != Source::Link && self.epoch == epoch {
            true => self.stream,
            false => 0,
        }
    }

    /// Keeps a batch of the subject until the owner names the first number that counts.
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

    /// From `next` on, the subject counts. Returns the kept items, which are taken first.
    pub(crate) fn follow(&mut self, next: u64) -> VecDeque<(u64, ItemKind)> {
        // Earlier numbers arrived directly, or are in the answer that this is part of.
        self.misses(next);
        self.source = Source::Subject;
        std::mem::take(&mut self.kept)
    }

    /// From `next` on, messages come directly again. Returns whether numbers before it are missing.
    pub(crate) fn leave(&mut self, next: u64) -> bool {
        let misses = self.misses(next);
        self.source = Source::Link;
        misses
    }

    /// Takes an item of this number. Returns whether numbers before it are missing; `None` if the item is a repeat.
    pub(crate) fn take(&mut self, number: u64) -> Option<bool> {
        if number <= self.last {
            return None;
        }
        let misses = self.misses(number);
        self.last = number;
        Some(misses)
    }

    /// Whether numbers before `next` have not arrived. They do not arrive any more.
    pub(crate) fn misses(&mut self, next: u64) -> bool {
        let misses = self.last + 1 < next;
        self.last = self.last.max(next.saturating_sub(1));
        misses
    }

    /// Notes that the subscription may not reach this edge any more.
    pub(crate) fn doubt(&mut self) {
        self.source = Source::Link;
        self.kept.clear();
    }
}
