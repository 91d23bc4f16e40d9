//! The bytes and the slow clients of a shard's connections, as plain numbers.

use crate::server::connections::flags::Flag;
use crate::server::connections::socket::ConnEntry;

/// The bytes that the connections of a shard were sent, and those that wait for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Bytes of frames that links have accepted.
    pub(crate) sent: u64,
    /// Bytes of frames that wait for blocked links, with their places in the queues.
    pub(crate) queued: u64,
    /// Clients whose queued frames were dropped, and that have not read the rest yet.
    pub(crate) stale: u64,
}

impl Traffic {
    /// The part of one connection.
    pub(super) fn of(conn: &ConnEntry) -> Self {
        let outbox = conn.outbox.as_ref();
        Self {
            sent: conn.sent,
            queued: outbox.map_or(0, |outbox| outbox.weight() as u64),
            stale: u64::from(conn.flags.has(Flag::Stale)),
        }
    }

    /// Replaces the part of a connection.
    #[inline]
    pub(super) fn change(&mut self, before: Self, after: Self) {
        self.sent += after.sent - before.sent;
        self.queued = self.queued + after.queued - before.queued;
        self.stale = self.stale + after.stale - before.stale;
    }

    /// Removes the part of a connection that ends. What it was sent stays.
    pub(super) fn remove(&mut self, conn: &ConnEntry) {
        let before = Self::of(conn);
        self.queued -= before.queued;
        self.stale -= before.stale;
    }
}
