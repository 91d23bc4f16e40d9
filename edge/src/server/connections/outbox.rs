//! The queue of frames for a blocked socket.
//!
//! A connection has an outbox only while its socket is blocked; otherwise frames go straight to the kernel. Every item
//! begins and ends at a frame's boundary, so that a partly written frame can be told from unwritten ones. Only the former
//! must be kept when the queue is discarded.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::conn::transport::SendStatus;
use crate::websocket::frame::frame_len;

#[cfg(test)]
mod tests;

/// The most data items. They share their bytes with other outboxes, but not their places in the queue.
const MAX_ITEMS: usize = 128;

/// The part of the cap up to which data items are copied into one when there are too many. A client in many rooms gets
/// many small ones.
const MERGED_PART: usize = 8;

/// Frames for one blocked socket, in order, up to a cap.
///
/// The cap counts an item's bytes and its place in the queue, so that a flood of tiny items is bounded too. It does not
/// count the first item, which is being written: while a client reads a snapshot larger than the cap, updates have their
/// space after it.
#[derive(Debug)]
pub struct Outbox {
    items: VecDeque<Item>,
    /// Bytes of the first item that are already written.
    written: usize,
    /// The weight of all items, including the written bytes of the first.
    weight: usize,
    cap: usize,
}

/// The use of frames, which decides how long they stay queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameClass {
    /// Frames that [`Outbox::discard`] drops.
    Data,
    /// Frames that stay queued while the connection lives.
    Control,
}

#[derive(Debug)]
struct Item {
    frames: Bytes,
    class: FrameClass,
}

impl Item {
    /// A data item; `None` if it has no bytes.
    fn data(frames: Vec<u8>) -> Option<Self> {
        (!frames.is_empty()).then(|| Self {
            frames: frames.into(),
            class: FrameClass::Data,
        })
    }

    fn weight(&self) -> usize {
        self.frames.len() + size_of::<Self>()
    }
}

impl Outbox {
    /// Creates an empty outbox that holds up to `cap` bytes of data items.
    pub fn new(cap: usize) -> Self {
        Self {
            items: VecDeque::new(),
            written: 0,
            weight: 0,
            cap,
        }
    }

    /// Queues the rest of an item of which `written` bytes are written, regardless of the cap, because a partly written
    /// frame must be completed. The outbox must be empty.
    pub fn push_rest(&mut self, frames: Bytes, written: usize, class: FrameClass) {
        debug_assert!(
            self.items.is_empty(),
            "only the first item can be partly written"
        );
        self.written = written;
        self.append(frames, class);
    }

    /// Queues whole frames. Returns [`SendStatus::Full`] if they would exceed the cap, or twice the cap if they are control
    /// frames; then the caller must close the connection. An empty outbox accepts any size, so that a message larger than
    /// the cap can be sent.
    pub fn push(&mut self, frames: Bytes, class: FrameClass) -> SendStatus {
        match class {
            FrameClass::Data => self.push_data(frames),
            FrameClass::Control => self.push_within(frames, class, self.cap.saturating_mul(2)),
        }
    }

    fn push_data(&mut self, frames: Bytes) -> SendStatus {
        if self.items.len() >= MAX_ITEMS {
            if self.waiting() > self.cap / MERGED_PART {
                return SendStatus::Full;
            }
            self.merge();
            if self.items.len() >= MAX_ITEMS {
                return SendStatus::Full;
            }
        }
        self.push_within(frames, FrameClass::Data, self.cap)
    }

    /// Queues the connection's last frame, regardless of the cap.
    pub fn push_last(&mut self, frames: Bytes) {
        self.append(frames, FrameClass::Control);
    }

    /// Drops the data frames, but keeps the rest of a partly written frame.
    pub fn discard(&mut self) {
        self.retain(|item| item.class == FrameClass::Control);
    }

    /// Drops all frames, but keeps the rest of a partly written frame.
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

    /// Fills `slices` with the bytes to write next and returns the number of slices filled.
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

    /// Removes the next `count` bytes, which are written.
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
        debug_assert_eq!(self.written, 0, "more bytes were written than were queued");
    }

    /// Whether no frames are queued.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The bytes of all items and their places in the queue.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Whether more bytes wait than the cap allows for data items, because the client is sent more answers than it reads.
    pub(super) fn is_overfull(&self) -> bool {
        self.waiting() > self.cap
    }

    /// The weight of the items after the first, which the cap counts.
    fn waiting(&self) -> usize {
        self.weight - self.items.front().map_or(0, Item::weight)
    }

    /// Copies neighbouring data items after the first into one.
    fn merge(&mut self) {
        let mut items = std::mem::take(&mut self.items).into_iter();
        self.items.extend(items.next());
        let mut run = Vec::new();
        for item in items {
            if item.class == FrameClass::Control {
                self.items.extend(Item::data(std::mem::take(&mut run)));
                self.items.push_back(item);
            } else {
                run.extend_from_slice(&item.frames);
            }
        }
        self.items.extend(Item::data(run));
        self.weight = self.items.iter().map(Item::weight).sum();
    }

    fn push_within(&mut self, frames: Bytes, class: FrameClass, cap: usize) -> SendStatus {
        let weight = self.waiting() + frames.len() + size_of::<Item>();
        if weight > cap && !self.items.is_empty() {
            return SendStatus::Full;
        }
        self.append(frames, class);
        SendStatus::Queued
    }

    fn append(&mut self, frames: Bytes, class: FrameClass) {
        if frames.is_empty() {
            return;
        }
        let item = Item { frames, class };
        self.weight += item.weight();
        self.items.push_back(item);
    }
}

/// The end of the frame that contains the byte before `written`.
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
