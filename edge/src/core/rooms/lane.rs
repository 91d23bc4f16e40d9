//! One audience of a room: its view, its delayed events, and its clients.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use grandstand_common::clock::Now;
use grandstand_common::data::Data;
use grandstand_common::envelope::{Encoding, ServerMessage};
use grandstand_common::id::{Epoch, Instance, Lane as LaneId, RoomId, client_epoch};
use grandstand_common::wire::Presence;

use super::catch_up::CatchUp;
use super::delay::{DelayBuffer, DeliveryPolicy};
use super::ended_term::EndedTerm;
use super::event::{
    ApplyOutcome, LaneEvent, LaneView, OfferOutcome, UpdateOutcome, presence_message,
};
use super::lane_clients::LaneClients;
use crate::codec::{Encoder, WireFormat};
use crate::conn::key::ConnKey;

#[cfg(test)]
mod tests;

/// An audience's state on this edge.
#[derive(Debug)]
pub(crate) struct Lane {
    id: LaneId,
    instance: Instance,
    catch_up: CatchUp,
    presence: Option<Arc<Presence>>,
    clients: LaneClients,
    /// The number of times that the lane has ended; wraps around. A membership has the number at which it began.
    term: u32,
    /// The clients of former terms that have not been told the end yet.
    ended: VecDeque<EndedTerm>,
    /// The lane is in the queue of lanes with clients that are told one by one.
    queued: bool,
    /// The lane is requested from the owner.
    watched: bool,
    /// Events that are not due yet; `None` if the lane is not delayed.
    delay: Option<Box<DelayBuffer>>,
    ring_bytes: usize,
}

impl Lane {
    /// Creates an empty lane that keeps about `ring_bytes` of updates.
    pub(crate) fn new(id: LaneId, ring_bytes: usize) -> Self {
        Self {
            id,
            instance: Instance(0),
            catch_up: CatchUp::default(),
            presence: None,
            clients: LaneClients::default(),
            term: 0,
            ended: VecDeque::new(),
            queued: false,
            watched: false,
            delay: None,
            ring_bytes,
        }
    }

    /// The lane's clients.
    pub(crate) fn clients(&self) -> &LaneClients {
        &self.clients
    }

    /// The lane's clients, to change them.
    pub(crate) fn clients_mut(&mut self) -> &mut LaneClients {
        &mut self.clients
    }

    /// The term of memberships that begin now.
    pub(crate) fn term(&self) -> u32 {
        self.term
    }

    /// The clients of a term, to change them; `None` if all have been told its end.
    pub(crate) fn clients_of(&mut self, term: u32) -> Option<&mut LaneClients> {
        if term == self.term {
            return Some(&mut self.clients);
        }
        let ended = self.ended.iter_mut().find(|ended| ended.term == term);
        ended.map(|ended| &mut ended.clients)
    }

    /// Ends the term. Its clients leave the lane and are told one by one.
    pub(crate) fn end_term(&mut self, code: &str, now: Now) {
        let clients = self.clients.take();
        self.ended.push_back(EndedTerm {
            term: self.term,
            code: code.into(),
            clients,
            at: now,
        });
        self.term = self.term.wrapping_add(1);
    }

    /// The code with which a former term ended, and when.
    pub(crate) fn end_of(&self, term: u32) -> Option<(Arc<str>, Now)> {
        let ended = self.ended.iter().find(|ended| ended.term == term);
        ended.map(|ended| (Arc::clone(&ended.code), ended.at))
    }

    /// Some client that has not been told the end of its term.
    pub(crate) fn next_ended(&self) -> Option<ConnKey> {
        self.ended.front()?.clients.last()
    }

    /// Forgets a term whose clients have all been told. Returns when it ended.
    pub(crate) fn forget_term(&mut self) -> Option<Now> {
        self.ended.pop_front().map(|ended| ended.at)
    }

    /// Whether some client has not been told the end of its term.
    pub(crate) fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Marks the lane as queued if clients are to be told something one by one. Returns whether the caller has to queue it.
    pub(crate) fn enqueue_crowd(&mut self) -> bool {
        let has_work = self.has_ended() || self.clients.has_released();
        has_work && !std::mem::replace(&mut self.queued, true)
    }

    /// Notes that the lane is no longer queued.
    pub(crate) fn dequeue_crowd(&mut self) {
        self.queued = false;
    }

    /// The last version that the members see; `None` without a snapshot.
    pub(crate) fn version(&self) -> Option<u64> {
        self.catch_up.version()
    }

    /// The last version that has arrived, delayed or not; `None` if a snapshot is needed.
    pub(crate) fn known_version(&self) -> Option<u64> {
        match &self.delay {
            Some(delay) => delay.head(),
            None => self.version(),
        }
    }

    /// Notes that the lane is requested from the owner; returns whether it was not before.
    pub(crate) fn watch(&mut self) -> bool {
        !std::mem::replace(&mut self.watched, true)
    }

    /// Notes that the lane is no longer requested from the owner.
    pub(crate) fn unwatch(&mut self) {
        self.watched = false;
    }

    /// Whether the lane is requested from the owner.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched
    }

    /// Sets the delivery policy. At most about `cap` bytes are delayed.
    pub(crate) fn set_policy(&mut self, policy: DeliveryPolicy, cap: usize) {
        let head = self.version();
        match &mut self.delay {
            Some(delay) => delay.set_policy(policy),
            None if policy.is_plain() => {}
            None => self.delay = Some(Box::new(DelayBuffer::new(policy, head, cap))),
        }
    }

    /// Delays an event, or returns it if it is due now.
    pub(crate) fn offer(&mut self, event: LaneEvent, now: Instant) -> OfferOutcome {
        match &mut self.delay {
            Some(delay) => OfferOutcome::Delayed(delay.push(now, event)),
            None => OfferOutcome::Due(event),
        }
    }

    /// The next delayed event that is due. Call until `None`, again at [`next_release`](Self::next_release).
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<LaneEvent> {
        self.delay.as_mut()?.poll(now)
    }

    /// The time of the next call of [`pop_due`](Self::pop_due).
    pub(crate) fn next_release(&self) -> Option<Instant> {
        self.delay.as_ref()?.next()
    }

    /// Drops the delay buffer if it is empty and no longer needed. Returns whether the buffer was full and has space
    /// again. The caller then asks the owner for the events that were dropped.
    pub(crate) fn settle_delay(&mut self) -> bool {
        let Some(delay) = &mut self.delay else {
            return false;
        };
        let recovered = delay.take_recovered();
        if !recovered && delay.is_done() {
            self.delay = None;
        }
        recovered
    }

    /// Applies an event, and queues its message for the members.
    pub(crate) fn apply(
        &mut self,
        room: &RoomId,
        event: LaneEvent,
        encoder: &mut Encoder,
    ) -> ApplyOutcome {
        match event {
            LaneEvent::Begin(epoch, instance) => self.reset(epoch, instance),
            LaneEvent::Snapshot {
                version,
                view,
                whole,
            } => {
                if whole || self.version().is_none() {
                    self.snapshot(room, version, view, encoder);
                } else {
                    self.catch_up.rebase(version, view, self.ring_bytes);
                }
                return ApplyOutcome::HasSnapshot;
            }
            LaneEvent::Update { version, data, .. } => {
                let outcome = match self.version() {
                    // Without a snapshot, no update can be applied. The snapshot is on its way, or the owner is asked
                    // for it.
                    None => UpdateOutcome::Old,
                    // The buffer has found no gap, but conflation may have left out updates.
                    Some(own) if self.delay.is_some() => {
                        self.advance(room, own, version, &data, encoder);
                        UpdateOutcome::New
                    }
                    Some(_) => self.update(room, version, &data, encoder),
                };
                return ApplyOutcome::Updated(outcome);
            }
            LaneEvent::Live(_) if self.version().is_none() => {}
            LaneEvent::Live(data) => {
                self.clients.queue_live(room, &data, None, encoder);
            }
            LaneEvent::Frame(data) => self.clients.queue_frame(room, data, encoder),
            LaneEvent::Presence(presence) => self.set_presence(room, Some(presence), encoder),
            LaneEvent::End(code) => return ApplyOutcome::Ended(code),
        }
        ApplyOutcome::Nothing
    }

    /// Drops the state of the former owner, or of the former room of the same name (D15).
    fn reset(&mut self, epoch: Epoch, instance: Instance) {
        self.instance = instance;
        self.catch_up.reset(client_epoch(epoch, instance, self.id));
        self.clients.slow_mut().restart();
        self.clients.clear_frame();
    }

    /// The instance of the room that the lane shows; 0 if none yet.
    pub(crate) fn instance(&self) -> Instance {
        self.instance
    }

    /// The room's presence as the members were last told.
    pub(crate) fn presence(&self) -> Option<&Presence> {
        self.presence.as_deref()
    }

    /// Sets the room's presence, and tells the members once the lane has a snapshot.
    pub(crate) fn set_presence(
        &mut self,
        room: &RoomId,
        presence: Option<Arc<Presence>>,
        encoder: &mut Encoder,
    ) {
        self.presence = presence;
        if self.version().is_some() {
            self.tell_presence(room, encoder);
        }
    }

    /// Queues the presence message for the members.
    fn tell_presence(&mut self, room: &RoomId, encoder: &mut Encoder) {
        if let Some(presence) = self.presence.clone() {
            self.clients
                .queue(&presence_message(room, &presence), encoder);
        }
    }

    /// Applies a snapshot, and sends it to the members if it is newer than the lane. If not, it serves clients that
    /// join later: the members' updates lead to the same state. Returns whether it was newer.
    fn snapshot(
        &mut self,
        room: &RoomId,
        version: u64,
        view: LaneView,
        encoder: &mut Encoder,
    ) -> bool {
        let own = self.version();
        let is_newer = own.is_none_or(|own| version > own);
        if is_newer {
            self.catch_up.restart(version);
        }
        self.catch_up.rebase(version, view, self.ring_bytes);
        if is_newer {
            if let Some(view) = self.catch_up.snapshot() {
                let snapshot = ServerMessage::Snapshot {
                    room,
                    epoch: self.catch_up.epoch(),
                    version,
                    is_patched: view.is_patched,
                    data: &view.data,
                };
                self.clients.queue(&snapshot, encoder);
            }
            if own.is_none() {
                self.tell_presence(room, encoder);
            }
        }
        is_newer
    }

    /// Whether the latest snapshot is what the members see. A delayed lane is not asked for a newer one, which would come
    /// only after the delay.
    pub(crate) fn has_current_snapshot(&self) -> bool {
        self.delay.is_some() || self.catch_up.base() == self.version()
    }

    /// Whether the latest snapshot is older than what a slow member may have seen.
    pub(crate) fn would_go_back(&self, conn: ConnKey) -> bool {
        let seen = self.clients.slow().seen(conn).zip(self.catch_up.base());
        seen.is_some_and(|(seen, base)| base < seen)
    }

    /// Applies the update from version `version - 1` to `version`.
    fn update(
        &mut self,
        room: &RoomId,
        version: u64,
        data: &Data,
        encoder: &mut Encoder,
    ) -> UpdateOutcome {
        let Some(own) = self.version() else {
            return UpdateOutcome::Gap;
        };
        if version <= own {
            return UpdateOutcome::Old;
        }
        if version != own + 1 {
            return UpdateOutcome::Gap;
        }
        self.advance(room, own, version, data, encoder);
        UpdateOutcome::New
    }

    /// Applies an update from the lane's version `prev` to `version`. Conflation may have left out the updates in between.
    fn advance(
        &mut self,
        room: &RoomId,
        prev: u64,
        version: u64,
        data: &Data,
        encoder: &mut Encoder,
    ) {
        let update = ServerMessage::Update {
            room,
            version,
            prev,
            data,
        };
        self.clients.queue(&update, encoder);
        self.catch_up
            .advance(version, data.clone(), self.ring_bytes);
    }

    /// The updates after version `since` of `epoch`; `None` if the lane does not hold them all.
    pub(crate) fn missed(
        &self,
        room: &RoomId,
        encoding: Encoding,
        since: u64,
        epoch: &str,
    ) -> Option<Bytes> {
        self.catch_up.missed(room, encoding, since, epoch)
    }

    /// The order of the members' version and a client's; `None` if they are of different epochs.
    pub(crate) fn compare(&self, since: u64, epoch: &str) -> Option<std::cmp::Ordering> {
        let own = self.version().filter(|_| epoch == self.catch_up.epoch())?;
        Some(own.cmp(&since))
    }

    /// The snapshot and the updates since; `None` if there is no snapshot yet.
    pub(crate) fn catch_up(
        &mut self,
        room: &RoomId,
        format: WireFormat,
        encoder: &mut Encoder,
    ) -> Option<Bytes> {
        self.catch_up.frames(room, format, encoder)
    }
}
