//! The reads of stored rooms, and what waits for them.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use grandstand_common::bus::Bucket;
use grandstand_common::id::{EdgeId, Epoch, RoomId};
use grandstand_common::subject;
use grandstand_common::wire::RoomInterest;

use super::tenure::Tenure;
use crate::command::Command;
use crate::context::Context;
use crate::deadlines::Deadlines;
use crate::loads::{Load, Urgency};
use crate::requests::Purpose;
use crate::room::Logged;

/// The delay before a failed read is repeated.
const RETRY: Duration = Duration::from_millis(250);

/// An event that needs a stored room in memory.
#[derive(Debug)]
pub(super) enum WaitingEvent {
    Entry(Logged),
    Interest(EdgeId, RoomInterest),
    /// The players of this edge are lost.
    Lost(EdgeId),
    /// Another build put the room in quarantine, in this epoch and at this entry.
    Retried(Epoch, u64),
}

/// A room that is needed in memory.
#[derive(Debug)]
struct WantedRoom {
    urgency: Urgency,
    /// Whether its read has begun and not failed.
    is_read: bool,
    /// The revision of the room that was known when its read began. The read returns no older one.
    known: u64,
    /// The events to handle afterwards, in order.
    events: VecDeque<WaitingEvent>,
}

/// The reads of stored rooms that are to begin, are in flight or are to be repeated.
#[derive(Debug, Default)]
pub(super) struct RoomReads {
    rooms: BTreeMap<RoomId, WantedRoom>,
    /// The rooms whose reads are to begin. A room may be in both, and is read once.
    urgent: VecDeque<RoomId>,
    later: VecDeque<RoomId>,
    /// The times at which failed reads are repeated.
    retries: Deadlines<RoomId>,
}

impl RoomReads {
    /// Queues an event until its room is read.
    pub(super) fn wait(&mut self, id: &RoomId, what: WaitingEvent, urgency: Urgency) {
        let wanted = self.want(id, urgency);
        if let WaitingEvent::Interest(edge, _) = &what {
            // The latest interest of an edge replaces earlier ones, but the answer to a sync must not be lost.
            wanted.events.retain(
                |other| !matches!(other, WaitingEvent::Interest(of, w) if of == edge && !w.sync),
            );
        }
        wanted.events.push_back(what);
    }

    /// Queues a room to be read that nothing waits for.
    pub(super) fn want_later(&mut self, id: &RoomId) {
        self.want(id, Urgency::Later);
    }

    fn want(&mut self, id: &RoomId, urgency: Urgency) -> &mut WantedRoom {
        let is_new = !self.rooms.contains_key(id);
        let wanted = self.rooms.entry(id.clone()).or_insert_with(|| WantedRoom {
            urgency,
            is_read: false,
            known: 0,
            events: VecDeque::new(),
        });
        let is_raised = urgency == Urgency::Now && wanted.urgency == Urgency::Later;
        if is_raised {
            wanted.urgency = urgency;
        }
        if is_new || (is_raised && !wanted.is_read) {
            match urgency {
                Urgency::Now => self.urgent.push_back(id.clone()),
                Urgency::Later => self.later.push_back(id.clone()),
            }
        }
        wanted
    }

    /// Begins reads, as many as the engine allows. `known` returns the revision of a room, as far as it is known.
    pub(super) fn begin(
        &mut self,
        cx: &mut Context,
        tenure: Tenure,
        known: impl Fn(&RoomId) -> u64,
    ) {
        for urgency in [Urgency::Now, Urgency::Later] {
            while cx.can_load(urgency) {
                let queue = match urgency {
                    Urgency::Now => &mut self.urgent,
                    Urgency::Later => &mut self.later,
                };
                let Some(id) = queue.pop_front() else {
                    break;
                };
                let wanted = self.rooms.get_mut(&id).filter(|wanted| !wanted.is_read);
                if let Some(wanted) = wanted {
                    wanted.is_read = true;
                    wanted.known = known(&id);
                    read(cx, tenure, id);
                }
            }
        }
    }

    /// Whether a room is to be read.
    pub(super) fn contains(&self, id: &RoomId) -> bool {
        self.rooms.contains_key(id)
    }

    /// Whether reads wait to begin.
    pub(super) fn has_queued(&self) -> bool {
        !self.urgent.is_empty() || !self.later.is_empty()
    }

    /// Whether reads of the less urgent kind wait to begin.
    pub(super) fn has_later(&self) -> bool {
        !self.later.is_empty()
    }

    /// Schedules the repetition of a failed read.
    pub(super) fn on_failed(&mut self, id: &RoomId, now: Instant) {
        if self.rooms.contains_key(id) {
            self.retries.set(id, Some(now + RETRY));
        }
    }

    /// Returns the revision of a room that was known when its read began.
    pub(super) fn known(&self, id: &RoomId) -> Option<u64> {
        self.rooms.get(id).map(|wanted| wanted.known)
    }

    /// Queues the read of a room again, because a later snapshot was stored meanwhile.
    pub(super) fn read_again(&mut self, id: &RoomId) {
        if let Some(wanted) = self.rooms.get_mut(id) {
            wanted.is_read = false;
            self.urgent.push_front(id.clone());
        }
    }

    /// Queues the failed reads that are due.
    pub(super) fn retry_due(&mut self, now: Instant) {
        for id in self.retries.take_due(now) {
            if let Some(wanted) = self.rooms.get_mut(&id) {
                wanted.is_read = false;
                self.urgent.push_back(id);
            }
        }
    }

    /// Ends the read of a room. Returns the events that waited for it, or `None` if it was not wanted.
    pub(super) fn take(&mut self, id: &RoomId) -> Option<VecDeque<WaitingEvent>> {
        self.rooms.remove(id).map(|wanted| wanted.events)
    }

    /// Drops the read of a room and what waits for it.
    pub(super) fn forget(&mut self, id: &RoomId) {
        self.rooms.remove(id);
        self.retries.set(id, None);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.retries.next()
    }
}

/// Reads a room: a takeover may have kept its snapshot.
fn read(cx: &mut Context, tenure: Tenure, room: RoomId) {
    let partition = tenure.id;
    if let Some(stored) = cx.loads.take_kept(partition, &room) {
        let stored = Some(stored);
        cx.loads.add(Load {
            partition,
            room,
            stored,
        });
        return;
    }
    let key = subject::room_key(partition, &room);
    let token = cx.request(partition, Purpose::ReadRoom(room));
    cx.commands.push_back(Command::Get {
        bucket: Bucket::Rooms(partition),
        key,
        token,
    });
}

#[cfg(test)]
mod tests;
