//! The members of a lane, and how a flush visits them.

use bytes::Bytes;
use grandstand_common::envelope::ServerMessage;

use super::frame_log::{FORMS, FrameLog, Member};
use crate::codec::{Deflater, WireFormat};
use crate::conn::key::ConnKey;

/// The members of a lane, with the frames that some of them still lack.
#[derive(Debug, Default)]
pub(crate) struct Members {
    members: Vec<Member>,
    log: FrameLog,
    /// The slot that is visited next.
    cursor: usize,
    /// How many members are still to be visited before all have everything.
    pending_visits: usize,
    /// The position when this round began: all before the cursor have been sent as much.
    round: u64,
    by_form: [u32; FORMS],
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
        deflater: &mut Deflater,
    ) -> u64 {
        if self.members.is_empty() {
            self.log.skip();
            return 0;
        }
        let wanted = self.by_form.map(|members| members > 0);
        self.pending_visits = self.members.len();
        self.log.push(message, except, wanted, deflater)
    }

    /// The bytes of the frames that some member still lacks.
    #[cfg(test)]
    pub(crate) fn log_bytes(&self) -> usize {
        self.log.bytes()
    }

    /// Adds a member that has been served all there is; returns its slot.
    pub(crate) fn add(&mut self, conn: ConnKey, form: WireFormat) -> u32 {
        // The first of its form would find the frames gathered so far missing, but needs none of them.
        self.by_form[form.index()] += 1;
        self.members.push(Member {
            conn,
            form,
            offset: self.log.position(),
            stale: false,
        });
        self.visit_one_more();
        self.members.len() as u32 - 1
    }

    /// Removes the member at `slot`. Returns who has moved to which slot for it, in order.
    pub(crate) fn remove(&mut self, slot: u32) -> Vec<(ConnKey, u32)> {
        let (mut slot, mut moved) = (slot as usize, Vec::with_capacity(2));
        self.by_form[self.members[slot].form.index()] -= 1;
        if slot < self.cursor {
            // The gap must not be filled by one whom this round has not come to yet (D21).
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
            self.rest();
        }
        moved
    }

    /// Who is where has changed, perhaps by one place for those who are due.
    fn visit_one_more(&mut self) {
        if self.pending_visits > 0 {
            self.pending_visits = (self.pending_visits + 1).min(self.members.len());
        }
    }

    /// All members have everything.
    fn rest(&mut self) {
        self.log.clear();
        self.cursor = 0;
        self.pending_visits = 0;
        self.round = self.log.position();
    }

    /// Notes that the member at `slot` has been served all there is.
    pub(crate) fn served(&mut self, slot: u32) {
        let position = self.log.position();
        if let Some(member) = self.members.get_mut(slot as usize) {
            member.offset = position;
            member.stale = false;
        }
    }

    /// Notes that the member at `slot` could not keep up.
    pub(crate) fn mark_stale(&mut self, slot: u32) {
        if let Some(member) = self.members.get_mut(slot as usize) {
            member.stale = true;
        }
    }

    /// Whether something waits to be flushed.
    pub(crate) fn is_dirty(&self) -> bool {
        self.pending_visits > 0
    }

    /// Visits up to `most` of the members that are due, and hands what each lacks to `write`, which returns whether the
    /// member kept up. Who lacks more than `cap` bytes has not kept up either, and is handed `None`. Returns whether the
    /// lane is clean.
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
                // All have been visited since.
                self.log
                    .forget(std::mem::replace(&mut self.round, position));
            }
            let member = &mut self.members[self.cursor];
            self.cursor += 1;
            self.pending_visits -= 1;
            if !member.stale {
                let rest = self.log.unsent(member);
                let lacks = rest.as_ref().is_none_or(|rest| !rest.is_empty());
                member.stale = lacks && !write(member.conn, rest);
            }
            member.offset = position;
        }
        if self.pending_visits > 0 {
            return false;
        }
        self.rest();
        true
    }
}
