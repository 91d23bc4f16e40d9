//! One audience of a room: what it is shown, who is in it, and what waits to be sent to all of them.
//!
//! Everything for the whole lane is encoded once per encoding and kept in its `FrameLog` until all members have it. A flush
//! goes round the members in slices, for as long as somebody lacks something, and writes to each what it lacks by then:
//! what comes in the middle of a round goes along with the rest of that round, and nobody waits for the next one to begin.
//! A member carries the position up to which it has been served (D21), so that who joined in the middle of it all gets
//! each frame exactly once.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use grandstand_common::data::Data;
use grandstand_common::envelope::{Encoding, ServerMessage};
use grandstand_common::id::{Epoch, Instance, Lane as LaneId, RoomId, client_epoch};
use grandstand_common::wire::Presence;

use super::catch_up::CatchUp;
use super::delay::{DelayBuffer, DeliveryPolicy};
use super::event::{Applied, LaneEvent, Offer, UpdateOutcome, presence_message};
use super::frame_log::Member;
use super::members::Members;
use crate::codec::{Deflater, WireFormat};
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
    members: Members,
    /// The number of clients that are members or will be.
    audience: usize,
    /// Clients that wait for the first snapshot.
    waiting: Vec<ConnKey>,
    /// The owner was asked for the lane.
    watched: bool,
    /// Events that the members are shown later; `None` if they are shown everything at once.
    delay: Option<Box<DelayBuffer>>,
    ring_bytes: usize,
    encoded: u64,
    /// It stands in the queue of lanes to flush.
    queued: bool,
}

impl Lane {
    /// An empty lane that keeps so many bytes of updates.
    pub(crate) fn new(id: LaneId, ring_bytes: usize) -> Self {
        Self {
            id,
            instance: Instance(0),
            catch_up: CatchUp::default(),
            presence: None,
            members: Members::default(),
            audience: 0,
            waiting: Vec::new(),
            watched: false,
            delay: None,
            ring_bytes,
            encoded: 0,
            queued: false,
        }
    }

    /// The last version, if the lane has a snapshot to apply it to.
    pub(crate) fn version(&self) -> Option<u64> {
        self.catch_up.version()
    }

    /// The last version that came, shown or delayed; `None` if no snapshot came.
    pub(crate) fn known_version(&self) -> Option<u64> {
        match &self.delay {
            Some(delay) => delay.head(),
            None => self.version(),
        }
    }

    /// Notes that the owner is asked for the lane; returns whether that is news.
    pub(crate) fn watch(&mut self) -> bool {
        !std::mem::replace(&mut self.watched, true)
    }

    /// Notes that the owner is to send the lane no more.
    pub(crate) fn unwatch(&mut self) {
        self.watched = false;
    }

    /// Whether the owner was asked for the lane.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched
    }

    /// Changes the rate and the delay at which the members are served. At most about `cap` bytes are delayed.
    pub(crate) fn set_policy(&mut self, policy: DeliveryPolicy, cap: usize) {
        let head = self.version();
        match &mut self.delay {
            Some(delay) => delay.set_policy(policy),
            None if policy.is_plain() => {}
            None => self.delay = Some(Box::new(DelayBuffer::new(policy, head, cap))),
        }
    }

    /// Delays an event, or returns it if it is due at once.
    pub(crate) fn offer(&mut self, event: LaneEvent, now: Instant) -> Offer {
        match &mut self.delay {
            Some(delay) => Offer::Delayed(delay.push(now, event)),
            None => Offer::Due(event),
        }
    }

    /// The next delayed event that is due. Call until `None`, again at [`next_release`](Self::next_release).
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<LaneEvent> {
        self.delay.as_mut()?.poll(now)
    }

    /// When to call [`pop_due`](Self::pop_due).
    pub(crate) fn next_release(&self) -> Option<Instant> {
        self.delay.as_ref()?.next()
    }

    /// Ends the delay if nothing is delayed and nothing has to be. Returns whether events were dropped because too many
    /// were delayed: the owner has to be asked for them now.
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

    /// Shows the members what has happened.
    pub(crate) fn apply(
        &mut self,
        room: &RoomId,
        event: LaneEvent,
        deflater: &mut Deflater,
    ) -> Applied {
        let ring_bytes = self.ring_bytes;
        match event {
            LaneEvent::Begin(epoch, instance) => self.reset(epoch, instance),
            LaneEvent::Snapshot {
                version,
                data,
                whole,
            } => {
                if whole || self.version().is_none() {
                    self.snapshot(room, version, data, ring_bytes, deflater);
                } else {
                    self.rebase(version, data, ring_bytes);
                }
                return Applied::HasSnapshot;
            }
            // Without a snapshot there is nothing to change; it is on its way, or its loss is seen by number.
            LaneEvent::Update { .. } if self.version().is_none() => {
                return Applied::Updated(UpdateOutcome::Old);
            }
            LaneEvent::Update { version, data, .. } if self.delay.is_some() => {
                self.advance(room, version, &data, ring_bytes, deflater);
                return Applied::Updated(UpdateOutcome::New);
            }
            LaneEvent::Update { version, data, .. } => {
                return Applied::Updated(self.update(room, version, &data, ring_bytes, deflater));
            }
            LaneEvent::Live(_) if self.version().is_none() => {}
            LaneEvent::Live(data) => {
                self.queue(&ServerMessage::Live { room, data: &data }, None, deflater);
            }
            LaneEvent::Presence(presence) => self.set_presence(room, Some(presence), deflater),
            LaneEvent::End(code) => return Applied::Ended(code),
        }
        Applied::Nothing
    }

    /// A new owner or a new room of that name: nothing that was known holds any more (D15).
    fn reset(&mut self, epoch: Epoch, instance: Instance) {
        self.instance = instance;
        self.catch_up.reset(client_epoch(epoch, instance, self.id));
    }

    /// Which room of that name it shows; 0 if none yet.
    pub(crate) fn instance(&self) -> Instance {
        self.instance
    }

    /// Who is in the room, as the members were last told.
    pub(crate) fn presence(&self) -> Option<&Presence> {
        self.presence.as_deref()
    }

    /// Tells the members who is in the room, but not before they see the room.
    pub(crate) fn set_presence(
        &mut self,
        room: &RoomId,
        presence: Option<Arc<Presence>>,
        deflater: &mut Deflater,
    ) {
        self.presence = presence;
        if self.version().is_some() {
            self.tell_presence(room, deflater);
        }
    }

    fn tell_presence(&mut self, room: &RoomId, deflater: &mut Deflater) {
        if let Some(presence) = self.presence.clone() {
            self.queue(&presence_message(room, &presence), None, deflater);
        }
    }

    /// Takes a snapshot. Members that lack what it shows get it; returns whether that was so.
    fn snapshot(
        &mut self,
        room: &RoomId,
        version: u64,
        data: Data,
        ring_bytes: usize,
        deflater: &mut Deflater,
    ) -> bool {
        let own = self.version();
        let behind = own.is_none_or(|own| version > own);
        if !behind && own.is_some_and(|own| version < own) {
            return false;
        }
        if behind {
            self.catch_up.restart(version);
        }
        self.rebase(version, data, ring_bytes);
        if behind {
            if let Some(data) = self.catch_up.snapshot() {
                let snapshot = ServerMessage::Snapshot {
                    room,
                    epoch: self.catch_up.epoch(),
                    version,
                    data,
                };
                self.encoded += self.members.queue(&snapshot, None, deflater);
            }
            if own.is_none() {
                self.tell_presence(room, deflater);
            }
        }
        behind
    }

    /// Takes a snapshot that members need not get, since updates bring them there: for those who come late.
    fn rebase(&mut self, version: u64, data: Data, ring_bytes: usize) {
        self.catch_up.rebase(version, data, ring_bytes);
    }

    /// Takes an update to `version` from the version before it.
    fn update(
        &mut self,
        room: &RoomId,
        version: u64,
        data: &Data,
        ring_bytes: usize,
        deflater: &mut Deflater,
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
        self.advance(room, version, data, ring_bytes, deflater);
        UpdateOutcome::New
    }

    /// Takes an update that, with those before it that were left out, leads from the lane's version to `version`.
    fn advance(
        &mut self,
        room: &RoomId,
        version: u64,
        data: &Data,
        ring_bytes: usize,
        deflater: &mut Deflater,
    ) {
        let update = ServerMessage::Update {
            room,
            version,
            prev: self.version().unwrap_or_default(),
            data,
        };
        self.queue(&update, None, deflater);
        self.catch_up.advance(version, data.clone(), ring_bytes);
    }

    /// Queues a message for all members but `except`.
    pub(crate) fn queue(
        &mut self,
        message: &ServerMessage<'_>,
        except: Option<ConnKey>,
        deflater: &mut Deflater,
    ) {
        self.encoded += self.members.queue(message, except, deflater);
    }

    /// How many messages were encoded since the last call.
    pub(crate) fn take_encoded(&mut self) -> u64 {
        std::mem::take(&mut self.encoded)
    }

    /// The number of clients that are members or will be.
    pub(crate) fn audience(&self) -> usize {
        self.audience
    }

    /// Counts a client that will be a member.
    pub(crate) fn enter(&mut self) {
        self.audience += 1;
    }

    /// Forgets a client. Returns which members have moved to which slot, in order.
    pub(crate) fn leave(&mut self, conn: ConnKey, slot: Option<u32>) -> Vec<(ConnKey, u32)> {
        self.audience -= 1;
        match slot {
            Some(slot) => self.members.remove(slot),
            None => {
                self.waiting.retain(|&waiting| waiting != conn);
                Vec::new()
            }
        }
    }

    /// Lets a client wait for the first snapshot.
    pub(crate) fn wait(&mut self, conn: ConnKey) {
        self.waiting.push(conn);
    }

    /// Whether a client waits for the first snapshot.
    pub(crate) fn is_waiting(&self, conn: ConnKey) -> bool {
        self.waiting.contains(&conn)
    }

    /// The clients that wait for the first snapshot.
    pub(crate) fn waiting(&self) -> &[ConnKey] {
        &self.waiting
    }

    /// Takes the clients that wait for the first snapshot.
    pub(crate) fn take_waiting(&mut self) -> Vec<ConnKey> {
        std::mem::take(&mut self.waiting)
    }

    /// Notes that the lane waits for the flush; returns whether that is news.
    pub(crate) fn enqueue(&mut self) -> bool {
        self.is_dirty() && !std::mem::replace(&mut self.queued, true)
    }

    /// Notes whether the lane still waits for the flush.
    pub(crate) fn set_queued(&mut self, queued: bool) {
        self.queued = queued;
    }

    /// The members.
    pub(crate) fn members(&self) -> &[Member] {
        self.members.as_slice()
    }

    /// Adds a member that has been served all there is; returns its slot.
    pub(crate) fn add(&mut self, conn: ConnKey, form: WireFormat) -> u32 {
        self.members.add(conn, form)
    }

    /// Notes that the member at `slot` has been served all there is.
    pub(crate) fn served(&mut self, slot: u32) {
        self.members.served(slot);
    }

    /// Notes that the member at `slot` could not keep up.
    pub(crate) fn mark_stale(&mut self, slot: u32) {
        self.members.mark_stale(slot);
    }

    /// Whether something waits to be flushed.
    pub(crate) fn is_dirty(&self) -> bool {
        self.members.is_dirty()
    }

    /// Visits up to `most` of the members that are due; see [`Members::flush`].
    pub(crate) fn flush(
        &mut self,
        most: usize,
        cap: usize,
        write: impl FnMut(ConnKey, Option<Bytes>) -> bool,
    ) -> bool {
        self.members.flush(most, cap, write)
    }

    /// All that a client needs that has version `since` of `epoch`; `None` if the ring does not hold it any more.
    pub(crate) fn missed(
        &self,
        room: &RoomId,
        encoding: Encoding,
        since: u64,
        epoch: &str,
    ) -> Option<Bytes> {
        self.catch_up.missed(room, encoding, since, epoch)
    }

    /// All that a client needs that knows nothing; `None` if there is no snapshot yet.
    pub(crate) fn catch_up(
        &mut self,
        room: &RoomId,
        form: WireFormat,
        deflater: &mut Deflater,
    ) -> Option<Bytes> {
        self.catch_up.frames(room, form, deflater)
    }
}
