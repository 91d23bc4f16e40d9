//! The messages for one player only. They follow the snapshot in the answer to a `join`, and may have to wait for messages
//! that precede them (D4, D31).

use std::collections::VecDeque;

use grandstand_common::data::Data;
use grandstand_common::envelope::{Encoding, ServerMessage};
use grandstand_common::id::RoomId;

use super::reject::Reject;
use crate::codec::put_message;

/// The number of rejects that a session keeps, to answer repeated inputs and `join`s.
const KEPT_REJECTS: usize = 64;

/// The messages for the player of a session only.
#[derive(Debug, Default)]
pub(super) struct PrivateMessages {
    /// The latest `direct` message.
    direct: Option<Data>,
    /// The latest rejects.
    rejects: VecDeque<Reject>,
    /// The latest `direct` waits to be sent.
    direct_due: bool,
    /// The number of the latest rejects that wait to be sent.
    rejects_due: usize,
    /// All that follows the snapshot in the answer to the `join` waits to be sent.
    answer_due: bool,
}

impl PrivateMessages {
    /// The reject of an input, if it is kept.
    pub(super) fn reject(&self, seq: u64) -> Option<&Reject> {
        self.rejects.iter().find(|reject| reject.seq == seq)
    }

    /// Keeps the latest `direct` message.
    pub(super) fn keep_direct(&mut self, data: Data) {
        self.direct = Some(data);
    }

    /// Keeps a reject; returns whether it is new.
    pub(super) fn keep_reject(&mut self, reject: Reject) -> bool {
        if self.reject(reject.seq).is_some() {
            return false;
        }
        if self.rejects.len() == KEPT_REJECTS {
            self.rejects.pop_front();
        }
        self.rejects.push_back(reject);
        true
    }

    /// Notes that the latest `direct` is sent later.
    pub(super) fn delay_direct(&mut self) {
        self.direct_due = true;
    }

    /// Notes that the latest reject is sent later.
    pub(super) fn delay_reject(&mut self) {
        self.rejects_due = self.rejects.len().min(self.rejects_due + 1);
    }

    /// Whether rejects wait to be sent.
    pub(super) fn has_due_rejects(&self) -> bool {
        self.rejects_due > 0
    }

    /// Notes that all messages are sent later.
    pub(super) fn delay_answer(&mut self) {
        self.answer_due = true;
    }

    /// Whether all messages wait to be sent.
    pub(super) fn is_answer_due(&self) -> bool {
        self.answer_due
    }

    /// Appends all messages to `out`. None is due afterwards.
    pub(super) fn put_all(&mut self, out: &mut Vec<u8>, encoding: Encoding, room: &RoomId) {
        self.answer_due = false;
        self.direct_due = false;
        self.rejects_due = 0;
        self.put_direct(out, encoding, room);
        self.put_rejects(self.rejects.len(), out, encoding, room);
    }

    /// Appends the messages that are due to `out`. None is due afterwards.
    pub(super) fn put_due(&mut self, out: &mut Vec<u8>, encoding: Encoding, room: &RoomId) {
        if std::mem::take(&mut self.direct_due) {
            self.put_direct(out, encoding, room);
        }
        let due = std::mem::take(&mut self.rejects_due);
        self.put_rejects(due, out, encoding, room);
    }

    fn put_direct(&self, out: &mut Vec<u8>, encoding: Encoding, room: &RoomId) {
        if let Some(data) = &self.direct {
            put_message(out, encoding, &ServerMessage::Direct { room, data });
        }
    }

    /// Appends the latest `count` rejects.
    fn put_rejects(&self, count: usize, out: &mut Vec<u8>, encoding: Encoding, room: &RoomId) {
        let skipped = self.rejects.len().saturating_sub(count);
        for reject in self.rejects.iter().skip(skipped) {
            put_message(out, encoding, &reject.message(room));
        }
    }
}
