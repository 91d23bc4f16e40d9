//! The slow members of a lane: what each may have seen, and those that wait for a snapshot that is new enough.

use std::collections::BTreeMap;

use super::waiting::WaitingClients;
use crate::conn::key::ConnKey;

/// The slow members of a lane. Lanes without any, which are most, spend one word on it.
#[derive(Debug, Default)]
pub(crate) struct SlowMembers(Option<Box<StaleMembers>>);

impl SlowMembers {
    /// Adds a member that may have seen versions up to `seen`. A member that is slow already has seen nothing since.
    pub(super) fn insert(&mut self, conn: ConnKey, seen: u64) {
        self.0.get_or_insert_default().insert(conn, seen);
    }

    /// Removes a member, if it is one of these.
    pub(super) fn remove(&mut self, conn: ConnKey) {
        if let Some(stale) = &mut self.0 {
            stale.remove(conn);
            if stale.is_empty() {
                self.0 = None;
            }
        }
    }

    /// The last version that a slow member may have seen; `None` if the client is no slow member.
    pub(crate) fn seen(&self, conn: ConnKey) -> Option<u64> {
        self.0.as_ref()?.seen(conn)
    }

    /// Makes a slow member that reads again wait for a snapshot. Returns whether the caller has to ask the owner for one.
    pub(crate) fn wait(&mut self, conn: ConnKey) -> bool {
        self.0.as_mut().is_some_and(|stale| stale.wait(conn))
    }

    /// Whether the owner is asked for a newer snapshot.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.as_ref().is_some_and(|stale| stale.is_asked())
    }

    /// Whether a member waits for a snapshot.
    pub(super) fn waits(&self, conn: ConnKey) -> bool {
        self.0.as_ref().is_some_and(|stale| stale.waits(conn))
    }

    /// Releases the members that wait for a snapshot.
    pub(crate) fn release(&mut self) {
        if let Some(stale) = &mut self.0 {
            stale.release();
        }
    }

    /// Whether a member was released and not visited yet.
    pub(super) fn has_released(&self) -> bool {
        self.0.as_ref().is_some_and(|stale| stale.has_released())
    }

    /// The next member that was released.
    pub(super) fn next_released(&mut self) -> Option<ConnKey> {
        self.0.as_mut()?.next_released()
    }

    /// Notes that a new epoch begins, in which no member has seen anything.
    pub(super) fn restart(&mut self) {
        if let Some(stale) = &mut self.0 {
            stale.restart();
        }
    }
}

/// The slow members of a lane, of which there are some. None of them gets a snapshot that is older than what it may have
/// seen (D26).
#[derive(Debug, Default)]
struct StaleMembers {
    /// The last version that each may have seen.
    seen: BTreeMap<ConnKey, u64>,
    /// The members that read again and wait for a snapshot.
    waiting: WaitingClients,
    /// The owner is asked for a newer snapshot.
    is_asked: bool,
}

impl StaleMembers {
    /// Adds a member that may have seen versions up to `seen`. A member that is slow already has seen nothing since.
    fn insert(&mut self, conn: ConnKey, seen: u64) {
        self.seen.entry(conn).or_insert(seen);
    }

    /// Removes a member, if it is one of these.
    fn remove(&mut self, conn: ConnKey) {
        if self.seen.remove(&conn).is_some() {
            self.waiting.remove(conn);
        }
    }

    /// The last version that a member may have seen.
    fn seen(&self, conn: ConnKey) -> Option<u64> {
        self.seen.get(&conn).copied()
    }

    /// Makes a member wait for a snapshot. Returns whether the caller has to ask the owner for one.
    fn wait(&mut self, conn: ConnKey) -> bool {
        self.waiting.insert(conn);
        !std::mem::replace(&mut self.is_asked, true)
    }

    /// Whether the owner is asked for a newer snapshot.
    fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// Whether a member waits for a snapshot.
    fn waits(&self, conn: ConnKey) -> bool {
        self.waiting.contains(conn)
    }

    /// Releases the members that wait, because a snapshot has come.
    fn release(&mut self) {
        self.is_asked = false;
        self.waiting.release();
    }

    /// Whether a member was released and not visited yet.
    fn has_released(&self) -> bool {
        self.waiting.has_released()
    }

    /// The next member that was released.
    fn next_released(&mut self) -> Option<ConnKey> {
        self.waiting.next_released()
    }

    /// Notes that a new epoch begins, in which no member has seen anything.
    fn restart(&mut self) {
        for seen in self.seen.values_mut() {
            *seen = 0;
        }
    }

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}
