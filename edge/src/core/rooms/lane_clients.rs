//! The clients of a lane, and the order in which a flush visits them.
//!
//! A client waits until the lane has a snapshot, then it is a member. A message for all members is encoded once per
//! encoding and kept in the `FrameLog` until all members have been sent it. A flush visits the members in turn, in slices,
//! until all are current, and writes to each its unsent frames. Messages that arrive during a round are sent with the rest
//! of that round, so no member waits for the next round to begin. Each member has the position up to which it has been sent
//! frames (D21), so a client that joins during a round gets each frame exactly once.
//!
//! Frames for one client only, such as acks, wait until that client has been sent the frames that it lacks. So none of
//! them precedes the update that it belongs to (D31).

use bytes::Bytes;
use grandstand_common::data::Data;
use grandstand_common::envelope::{Encoding, ServerMessage};
use grandstand_common::id::RoomId;

use super::frame_log::{Datagrams, FORMATS, FrameLog, Member, Outgoing, Unsent, joined};
use super::newest_frame::NewestFrame;
use super::private_frames::PrivateFrames;
use super::stale::SlowMembers;
use super::waiting::WaitingClients;
use crate::codec::{self, Encoder, WireFormat};
use crate::conn::key::ConnKey;

/// The clients of a lane, and the frames that some of its members have not been sent.
#[derive(Debug, Default)]
pub(crate) struct LaneClients {
    /// The number of clients that are members or will be.
    count: usize,
    /// Clients that wait for the first snapshot.
    waiting: WaitingClients,
    members: Vec<Member>,
    log: FrameLog,
    /// The slot that is visited next.
    cursor: usize,
    /// The number of visits until all members have been sent all frames.
    pending_visits: usize,
    /// The position at which this round began. Members before the cursor have been sent the frames up to it.
    round: u64,
    /// The number of members per wire format.
    by_format: [u32; FORMATS],
    /// The number of members that get lossy messages as datagrams.
    datagram_members: u32,
    /// The number of messages encoded since the last [`take_encoded`](Self::take_encoded).
    encoded: u64,
    /// Frames for single clients, which follow the frames that the client has not been sent.
    private: PrivateFrames,
    slow: SlowMembers,
    /// The lane is in the queue of lanes to flush.
    queued: bool,
}

impl LaneClients {
    /// The number of clients that are members or will be.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Counts a client that will be a member.
    pub(crate) fn enter(&mut self) {
        self.count += 1;
    }

    /// Removes a client. Returns the members that have moved and their new slots, in order.
    pub(crate) fn leave(&mut self, conn: ConnKey, slot: Option<u32>) -> Vec<(ConnKey, u32)> {
        self.count -= 1;
        self.private.take(conn);
        let Some(slot) = slot else {
            self.waiting.remove(conn);
            return Vec::new();
        };
        self.remove_member(slot)
    }

    /// The clients that wait for the first snapshot.
    pub(crate) fn waiting(&self) -> &WaitingClients {
        &self.waiting
    }

    /// The clients that wait for the first snapshot, to change them.
    pub(crate) fn waiting_mut(&mut self) -> &mut WaitingClients {
        &mut self.waiting
    }

    /// The slow members.
    pub(crate) fn slow(&self) -> &SlowMembers {
        &self.slow
    }

    /// The slow members, to change them.
    pub(crate) fn slow_mut(&mut self) -> &mut SlowMembers {
        &mut self.slow
    }

    /// Whether a client was released and not visited yet.
    pub(crate) fn has_released(&self) -> bool {
        self.waiting.has_released() || self.slow.has_released()
    }

    /// The next client that was released.
    pub(crate) fn next_released(&mut self) -> Option<ConnKey> {
        let released = self.waiting.next_released();
        released.or_else(|| self.slow.next_released())
    }

    /// Takes all clients, at the end of the lane. The lane stays where it is in the queue of lanes to flush.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self {
            queued: self.queued,
            ..Self::default()
        };
        std::mem::replace(self, empty)
    }

    /// Some client that is a member or waits.
    pub(crate) fn last(&self) -> Option<ConnKey> {
        let member = self.members.last().map(|member| member.conn);
        member.or_else(|| self.waiting.last())
    }

    /// The frames that the member at `slot` has not been sent; `None` if they exceed `cap` bytes.
    pub(crate) fn unsent(&mut self, slot: u32, cap: usize) -> Option<Bytes> {
        self.log.bound(cap);
        self.log.freeze();
        match self.members.get(slot as usize) {
            Some(member) if !member.stale => self.log.unsent(member),
            _ => Some(Bytes::new()),
        }
    }

    /// The members.
    #[cfg(test)]
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Queues a message for all members.
    pub(crate) fn queue(&mut self, message: &ServerMessage<'_>, encoder: &mut Encoder) {
        self.push(message, None, None, encoder);
    }

    /// Queues a lossy message for all members but `except`. Members that get datagrams get it as one, with its number.
    pub(crate) fn queue_live(
        &mut self,
        room: &RoomId,
        data: &Data,
        except: Option<ConnKey>,
        encoder: &mut Encoder,
    ) {
        let live = |n| ServerMessage::Live { room, data, n };
        let datagrams = (self.datagram_members > 0).then(|| {
            let numbered = live(Some(self.log.position() + 1));
            Box::new(Encoding::ALL.map(|encoding| codec::message(encoding, &numbered)))
        });
        self.push(&live(None), except, datagrams, encoder);
    }

    /// Queues a frame for all members, in place of the earlier one. Clients that join later get it as well.
    pub(crate) fn queue_frame(&mut self, room: &RoomId, data: Data, encoder: &mut Encoder) {
        let wants_datagrams = self.datagram_members > 0;
        self.pending_visits = self.members.len();
        let log = &mut self.log;
        self.encoded += log.set_newest(room, data, wants_datagrams, self.by_format, encoder);
    }

    /// Forgets the newest frame.
    pub(crate) fn clear_frame(&mut self) {
        self.log.clear_newest();
    }

    /// The newest frame, for a client that joins.
    pub(crate) fn frame(&self) -> Option<&Data> {
        self.log.newest().map(NewestFrame::data)
    }

    /// Returns the newest frame, encoded, if the member at `slot` read too slowly to get it.
    pub(crate) fn take_missed_frame(&mut self, room: &RoomId, slot: u32) -> Option<Bytes> {
        let member = self.members.get_mut(slot as usize)?;
        let newest = self.log.newest()?;
        let is_missed = std::mem::take(&mut member.missed_frame) && !member.stale;
        (is_missed && !newest.is_due(member.offset)).then(|| newest.encoded(room, member.format))
    }

    fn push(
        &mut self,
        message: &ServerMessage<'_>,
        except: Option<ConnKey>,
        datagrams: Option<Box<Datagrams>>,
        encoder: &mut Encoder,
    ) {
        if self.members.is_empty() {
            return self.log.skip();
        }
        self.pending_visits = self.members.len();
        let log = &mut self.log;
        self.encoded += log.push(message, except, datagrams, self.by_format, encoder);
    }

    /// Notes when the input arrived that caused the last message for all members.
    pub(crate) fn stamp_last(&mut self, arrived_us: u64) {
        self.log.stamp_last(arrived_us);
    }

    /// The frames for single clients.
    pub(crate) fn private(&self) -> &PrivateFrames {
        &self.private
    }

    /// The frames for single clients, to change them.
    pub(crate) fn private_mut(&mut self) -> &mut PrivateFrames {
        &mut self.private
    }

    /// Queues the latest frames for a member, instead of those that wait. Returns whether the caller has to queue the lane.
    pub(crate) fn repeat_private(&mut self, conn: ConnKey, frames: &[u8]) -> bool {
        if !frames.is_empty() {
            self.private.take(conn);
            self.private.push(conn, frames);
        }
        self.enqueue_flush()
    }

    /// Whether the member at `slot` is slow and must be sent a snapshot, because it reads again and waits for none yet.
    pub(crate) fn needs_snapshot(&self, slot: u32) -> bool {
        let member = self.members.get(slot as usize);
        member.is_some_and(|member| member.stale && !self.slow.waits(member.conn))
    }

    /// Whether the member at `slot` is slow and gets a snapshot, and with it its private messages, once it reads again.
    pub(crate) fn is_stale(&self, slot: u32) -> bool {
        let member = self.members.get(slot as usize);
        member.is_some_and(|member| member.stale)
    }

    /// The number of messages encoded since the last call.
    pub(crate) fn take_encoded(&mut self) -> u64 {
        std::mem::take(&mut self.encoded)
    }

    /// The size in bytes of the frames that some member has not been sent.
    #[cfg(test)]
    pub(crate) fn log_bytes(&self) -> usize {
        self.log.bytes()
    }

    /// Adds a member that has been sent the lane's current state. Returns its slot.
    pub(crate) fn add_member(&mut self, conn: ConnKey, format: WireFormat, datagrams: bool) -> u32 {
        // If it is the first of its format, the log has no earlier frames for it, but it needs none.
        self.by_format[format.index()] += 1;
        self.datagram_members += u32::from(datagrams);
        self.waiting.remove(conn);
        self.members.push(Member {
            conn,
            format,
            offset: self.log.position(),
            stale: false,
            missed_frame: false,
            datagrams,
        });
        self.visit_one_more();
        self.members.len() as u32 - 1
    }

    /// Removes the member at `slot`. Returns the members that have moved and their new slots, in order.
    pub(super) fn remove_member(&mut self, slot: u32) -> Vec<(ConnKey, u32)> {
        let mut slot = slot as usize;
        let mut moved = Vec::with_capacity(2);
        self.by_format[self.members[slot].format.index()] -= 1;
        if slot < self.cursor {
            // A member that this round has not visited yet must not move before the cursor (D21).
            self.cursor -= 1;
            if slot != self.cursor {
                self.members.swap(slot, self.cursor);
                moved.push((self.members[slot].conn, slot as u32));
            }
            slot = self.cursor;
        }
        let removed = self.members.swap_remove(slot);
        self.datagram_members -= u32::from(removed.datagrams);
        self.slow.remove(removed.conn);
        moved.extend(self.members.get(slot).map(|m| (m.conn, slot as u32)));
        self.visit_one_more();
        if self.members.is_empty() {
            self.end_round();
        }
        moved
    }

    /// Adds one visit after members have moved, because a member that is due may now be one slot further.
    fn visit_one_more(&mut self) {
        if self.pending_visits > 0 {
            self.pending_visits = (self.pending_visits + 1).min(self.members.len());
        }
    }

    /// Ends the round: all members have been sent all frames.
    fn end_round(&mut self) {
        self.log.clear();
        self.cursor = 0;
        self.pending_visits = 0;
        self.round = self.log.position();
    }

    /// Notes that the member at `slot` has been sent the lane's current state.
    pub(crate) fn mark_current(&mut self, slot: u32) {
        let position = self.log.position();
        if let Some(member) = self.members.get_mut(slot as usize) {
            member.offset = position;
            if std::mem::take(&mut member.stale) {
                self.slow.remove(member.conn);
            }
        }
    }

    /// Notes that the member at `slot` is slow and needs a snapshot. It may have seen versions up to `seen`.
    pub(crate) fn mark_stale(&mut self, slot: u32, seen: u64) {
        if let Some(member) = self.members.get_mut(slot as usize) {
            member.stale = true;
            self.slow.insert(member.conn, seen);
        }
    }

    /// Whether a member has not been sent all frames.
    pub(crate) fn is_dirty(&self) -> bool {
        self.pending_visits > 0
    }

    /// Marks a lane with frames as queued for the flush; returns whether the caller has to queue it.
    pub(crate) fn enqueue_flush(&mut self) -> bool {
        (self.is_dirty() || !self.private.is_empty()) && !std::mem::replace(&mut self.queued, true)
    }

    /// Notes whether the lane is queued for the flush.
    pub(crate) fn set_queued(&mut self, queued: bool) {
        self.queued = queued;
    }

    /// Visits up to `budget` of the members that are due, and calls `write` with each member's unsent frames and those for
    /// this member only. `write` returns whether the member keeps up. Adds the stamps of frames that all members have been
    /// sent to `stamps`. Returns whether all members have been sent all frames of the lane.
    pub(crate) fn flush(
        &mut self,
        budget: usize,
        cap: usize,
        stamps: &mut Vec<u64>,
        mut write: impl FnMut(ConnKey, Outgoing<'_>) -> bool,
    ) -> bool {
        if self.pending_visits == 0 {
            return true;
        }
        self.log.bound(cap);
        self.log.freeze();
        let position = self.log.position();
        let mut unsent = Unsent::default();
        for _ in 0..budget.min(self.pending_visits) {
            if self.cursor == self.members.len() {
                self.cursor = 0;
                // All members have been visited since the last round began.
                let before = std::mem::replace(&mut self.round, position);
                self.log.complete(before, stamps);
            }
            let member = &mut self.members[self.cursor];
            self.cursor += 1;
            self.pending_visits -= 1;
            let mut frames = unsent.find(&self.log, member);
            let with_private;
            if !self.private.is_empty()
                && let Some(private) = self.private.take(member.conn)
            {
                with_private = frames.map(|frames| joined(frames, private));
                frames = with_private.as_ref();
            }
            // The snapshot that a slow member gets brings its private messages.
            if !member.stale && frames.is_none_or(|frames| !frames.is_empty()) {
                let outgoing = frames.map_or(Outgoing::Missed, Outgoing::Frames);
                member.stale = !write(member.conn, outgoing);
            }
            if member.datagrams && !member.stale {
                for frame in self.log.datagrams(member) {
                    write(member.conn, Outgoing::Datagram(frame));
                }
            }
            if let Some(newest) = self.log.newest()
                && newest.is_due(member.offset)
                && !member.stale
            {
                let (frame, datagram) = newest.for_format(member.format);
                let datagram = datagram.filter(|_| member.datagrams);
                member.missed_frame = !write(member.conn, Outgoing::Newest(frame, datagram));
            }
            member.offset = position;
        }
        if self.pending_visits > 0 {
            return false;
        }
        self.log.complete(position, stamps);
        self.end_round();
        true
    }
}
