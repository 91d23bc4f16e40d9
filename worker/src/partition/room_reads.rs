//! The reads of stored rooms, and what waits for them.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use grandstand_common::bus::Bucket;
use grandstand_common::id::{EdgeId, RoomId};
use grandstand_common::subject;
use grandstand_common::wire::RoomInterest;

use super::tenure::Tenure;
use crate::command::Command;
use crate::context::Context;
use crate::deadlines::Deadlines;
use crate::requests::Purpose;
use crate::room::Logged;

/// The delay before a failed read is repeated.
const RETRY: Duration = Duration::from_millis(250);

/// An event that needs a stored room in memory.
#[derive(Debug)]
pub(super) enum Waiting {
    Entry(Logged),
    Interest(EdgeId, RoomInterest),
}

/// The reads of stored rooms that are in flight or to be repeated.
#[derive(Debug, Default)]
pub(super) struct RoomReads {
    /// The rooms that are being read, each with the events to handle afterwards, in order.
    waiting: BTreeMap<RoomId, VecDeque<Waiting>>,
    /// When failed reads are repeated.
    retries: Deadlines<RoomId>,
}

impl RoomReads {
    /// Queues an event until its room is read, and begins the read with the first one.
    pub(super) fn wait(&mut self, cx: &mut Context, tenure: Tenure, id: &RoomId, what: Waiting) {
        let is_first = !self.waiting.contains_key(id);
        let waiting = self.waiting.entry(id.clone()).or_default();
        if let Waiting::Interest(edge, _) = &what {
            // The latest interest of an edge replaces earlier ones, but the answer to a sync must not be lost.
            waiting.retain(
                |other| !matches!(other, Waiting::Interest(of, w) if of == edge && !w.sync),
            );
        }
        waiting.push_back(what);
        if is_first {
            read(cx, tenure, id);
        }
    }

    /// Schedules the repetition of a failed read.
    pub(super) fn on_failed(&mut self, id: &RoomId, now: Instant) {
        if self.waiting.contains_key(id) {
            self.retries.set(id, Some(now + RETRY));
        }
    }

    /// Repeats the failed reads that are due.
    pub(super) fn retry_due(&mut self, cx: &mut Context, tenure: Tenure) {
        for id in self.retries.take_due(cx.now.at) {
            read(cx, tenure, &id);
        }
    }

    /// Ends the read of a room. Returns the events that waited for it, or `None` if it was not being read.
    pub(super) fn take(&mut self, id: &RoomId) -> Option<VecDeque<Waiting>> {
        self.waiting.remove(id)
    }

    /// Drops the read of a room and what waits for it.
    pub(super) fn forget(&mut self, id: &RoomId) {
        self.waiting.remove(id);
        self.retries.set(id, None);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.retries.next()
    }
}

fn read(cx: &mut Context, tenure: Tenure, id: &RoomId) {
    let token = cx.request(tenure.id, Purpose::ReadRoom(id.clone()));
    cx.commands.push_back(Command::Get {
        bucket: Bucket::Rooms(tenure.id),
        key: subject::room_key(tenure.id, id),
        token,
    });
}

#[cfg(test)]
mod tests;
