//! The members of a lane, and how a flush visits them.

use bytes::Bytes;

use super::Lane;
use crate::codec::WireFormat;
use crate::conn::key::ConnKey;
use crate::core::rooms::frame_log::Member;

impl Lane {
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
            Some(slot) => self.remove(slot),
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
        &self.members
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
    pub(super) fn remove(&mut self, slot: u32) -> Vec<(ConnKey, u32)> {
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
