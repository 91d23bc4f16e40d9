//! What waits for a blocked socket.
//!
//! A connection has an outbox only while its socket takes no more; else what is sent goes straight to the kernel. Every
//! item begins and ends at a frame's boundary, so a frame that the socket took a part of can always be told from those
//! that it has not seen: only the former must be kept when the rest is thrown away.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::conn::transport::SendStatus;
use crate::websocket::frame::frame_len;

#[cfg(test)]
mod tests;

/// The most items that may be thrown away: they share their frames with other outboxes, but not their places in the queue.
const MAX_ITEMS: usize = 128;

/// Frames for one blocked socket, in order, with a cap on what they hold.
///
/// The cap counts an item's bytes and its place in the queue, so that a flood of tiny items is bounded too.
#[derive(Debug)]
pub struct Outbox {
    items: VecDeque<Item>,
    /// How many bytes of the first item the socket has.
    written: usize,
    /// What the items weigh, the first one's written bytes included.
    weight: usize,
    cap: usize,
}

#[derive(Debug)]
struct Item {
    frames: Bytes,
    /// Must not be lost while the connection lives.
    control: bool,
}

impl Item {
    fn weight(&self) -> usize {
        self.frames.len() + size_of::<Self>()
    }
}

impl Outbox {
    /// An empty outbox that takes `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self {
            items: VecDeque::new(),
            written: 0,
            weight: 0,
            cap,
        }
    }

    /// Takes the rest of an item of which the socket has `written` bytes, whatever the cap: a frame that has begun must
    /// end. Only for an empty outbox.
    pub fn push_rest(&mut self, frames: Bytes, written: usize, control: bool) {
        debug_assert!(self.items.is_empty(), "only the first item can have begun");
        self.written = written;
        self.push(frames, control);
    }

    /// Takes whole frames that may be thrown away: [`SendStatus::Queued`], or [`SendStatus::Full`] if that would exceed the cap.
    /// An empty outbox takes anything, so that a message larger than the cap can pass at all.
    pub fn push_data(&mut self, frames: Bytes) -> SendStatus {
        if self.items.len() >= MAX_ITEMS {
            return SendStatus::Full;
        }
        self.push_within(frames, false, self.cap)
    }

    /// Takes whole frames that must not be lost, up to twice the cap. [`SendStatus::Full`] means that the connection must end.
    pub fn push_control(&mut self, frames: Bytes) -> SendStatus {
        self.push_within(frames, true, self.cap.saturating_mul(2))
    }

    /// Takes the connection's last frame, whatever the cap.
    pub fn push_last(&mut self, frames: Bytes) {
        self.push(frames, true);
    }

    /// Throws away what may be, but keeps what remains of a frame that has begun.
    pub fn discard(&mut self) {
        self.retain(|item| item.control);
    }

    /// Throws away everything but what remains of a frame that has begun.
    pub fn discard_all(&mut self) {
        self.retain(|_| false);
    }

    fn retain(&mut self, keep: impl Fn(&Item) -> bool) {
        let begun = if self.written > 0 {
            self.items.pop_front()
        } else {
            None
        };
        self.items.retain(&keep);
        if let Some(mut first) = begun {
            if !keep(&first) {
                first
                    .frames
                    .truncate(end_of_frame(&first.frames, self.written));
            }
            if self.written < first.frames.len() {
                self.items.push_front(first);
            } else {
                self.written = 0;
            }
        }
        self.weight = self.items.iter().map(Item::weight).sum();
    }

    /// Puts what is to be written next into `slices` and returns how many it filled.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.written;
        let mut filled = 0;
        for (slice, item) in slices.iter_mut().zip(&self.items) {
            *slice = IoSlice::new(&item.frames[skip..]);
            skip = 0;
            filled += 1;
        }
        filled
    }

    /// The socket took the next `count` bytes.
    pub fn advance(&mut self, count: usize) {
        self.written += count;
        while let Some(first) = self.items.front() {
            let len = first.frames.remaining();
            if self.written < len {
                return;
            }
            self.written -= len;
            self.weight -= first.weight();
            self.items.pop_front();
        }
        debug_assert_eq!(self.written, 0, "the socket took more than there was");
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What it holds, as the cap counts it.
    pub fn weight(&self) -> usize {
        self.weight
    }

    fn push_within(&mut self, frames: Bytes, control: bool, cap: usize) -> SendStatus {
        let weight = self.weight + frames.len() + size_of::<Item>();
        if weight > cap && !self.items.is_empty() {
            return SendStatus::Full;
        }
        self.push(frames, control);
        SendStatus::Queued
    }

    fn push(&mut self, frames: Bytes, control: bool) {
        if frames.is_empty() {
            return;
        }
        let item = Item { frames, control };
        self.weight += item.weight();
        self.items.push_back(item);
    }
}

/// Where the frame that the byte before `written` belongs to ends.
fn end_of_frame(frames: &[u8], written: usize) -> usize {
    let mut end = 0;
    while end < written {
        match frame_len(&frames[end..]) {
            Some(len) => end += len,
            None => return frames.len(),
        }
    }
    end.min(frames.len())
}
