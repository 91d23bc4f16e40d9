//! The members of a lane, and the order in which a flush visits them.

use bytes::Bytes;
use grandstand_common::envelope::ServerMessage;

use super::frame_log::{FORMATS, FrameLog, Member};
use crate::codec::{Encoder, WireFormat};
use crate::conn::key::ConnKey;

/// The members of a lane, and the frames that some of them have not been sent.
#[derive(Debug, Default)]
pub(crate) struct Members {
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
}

impl Members {
    /// The members.
    pub(crate) fn as_slice(&self) -> &[Member] {
        &self.members
    }

    /// Queues a message for all members but `except`; returns how often it was encoded.
    pub(crate) fn queue(
        &mut self,
        message: &ServerMessage<'_>,
        except: Option<ConnKey>,
        encoder: &mut Encoder,
    ) -> u64 {
        if self.members.is_empty() {
            self.log.skip();
            return 0;
        }
        let wanted = self.by_format.map(|members| members > 0);
        self.pending_visits = self.members.len();
        self.log.push(message, except, wanted, encoder)
    }

    /// The size in bytes of the frames that some member has not been sent.
    #[cfg(test)]
    pub(crate) fn log_bytes(&self) -> usize {
        self.log.bytes()
    }

    /// Adds a member that has been sent the lane's current state; returns its slot.
    pub(crate) fn add(&mut self, conn: ConnKey, format: WireFormat) -> u32 {
        // If it is the first of its format, the log has no earlier frames for it, but it needs none.
        self.by_format[format.index()] += 1;
        self.members.push(Member {
            conn,
            format,
            offset: self.log.position(),
            stale: false,
        });
        self.visit_one_more();
        self.members.len() as u32 - 1
    }

    /// Removes the member at `slot`. Returns the members that have moved and their new slots, in order.
    pub(crate) fn remove(&mut self, slot: u32) -> Vec<(ConnKey, u32)> {
        let (mut slot, mut moved) = (slot as usize, Vec::with_capacity(2));
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
        self.members.swap_remove(slot);
        if let Some(member) = self.members.get(slot) {
            moved.push((member.conn, slot as u32));
        }
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
            member.stale = false;
        }
    }

    /// Notes that the member at `slot` is slow and needs a snapshot.
    pub(crate) fn mark_stale(&mut self, slot: u32) {
        if let Some(member) = self.members.get_mut(slot as usize) {
            member.stale = true;
        }
    }

    /// Whether a member has not been sent all frames.
    pub(crate) fn is_dirty(&self) -> bool {
        self.pending_visits > 0
    }

    /// Visits up to `most` of the members that are due, and calls `write` with each member's unsent frames. `write`
    /// gets `None` for a member that lacks more than `cap` bytes, and returns whether the member keeps up. Returns
    /// whether the lane is clean.
    pub(crate) fn flush(
        &mut self,
        most: usize,
        cap: usize,
        mut write: impl FnMut(ConnKey, Option<Bytes>) -> bool,
    ) -> bool {
        if self.pending_visits == 0 {
            return true;
        }
        self.log.bound(cap);
        self.log.freeze();
        let position = self.log.position();
        for _ in 0..most.min(self.pending_visits) {
            if self.cursor == self.members.len() {
                self.cursor = 0;
                // All members have been visited since the last round began.
                self.log
                    .forget(std::mem::replace(&mut self.round, position));
            }
            let member = &mut self.members[self.cursor];
            self.cursor += 1;
            self.pending_visits -= 1;
            if !member.stale {
                let unsent = self.log.unsent(member);
                let is_due = unsent.as_ref().is_none_or(|unsent| !unsent.is_empty());
                member.stale = is_due && !write(member.conn, unsent);
            }
            member.offset = position;
        }
        if self.pending_visits > 0 {
            return false;
        }
        self.end_round();
        true
    }
}
