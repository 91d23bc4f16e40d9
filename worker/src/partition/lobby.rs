//! The rooms that lobbies show: what is stored of each, and when it is stored again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use grandstand_common::id::RoomId;
use grandstand_common::listing::Listing;
use grandstand_common::record::RoomListing;

use crate::deadlines::Deadlines;

/// The time for which a stored listing is kept after its last write.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(60);
/// The time after which a listing is written again, although it has not changed.
const RENEW_AFTER: Duration = Duration::from_secs(40);
/// The least time between two looks at a room.
const INTERVAL: Duration = Duration::from_secs(1);
/// The least time between two writes if only the number of spectators has changed.
const SPECTATORS_INTERVAL: Duration = Duration::from_secs(10);
/// The time until a failed write is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// The listings of a partition's rooms in memory.
#[derive(Debug, Default)]
pub(super) struct Lobby {
    rooms: BTreeMap<RoomId, Entry>,
    due: Deadlines<RoomId>,
    /// Whether rooms wait because many listings of all partitions are being written.
    is_held: bool,
}

#[derive(Debug, Default)]
struct Entry {
    /// The revision of the key, as far as is known; 0 if there is none.
    revision: u64,
    /// Whether the revision must be read before a write.
    is_unsure: bool,
    /// The stored listing, and the time of its write.
    stored: Option<(RoomListing, Instant)>,
    writing: Option<Writing>,
    /// Whether something has happened since the look for the write in flight.
    is_stale: bool,
    /// The last look.
    looked_at: Option<Instant>,
    /// Whether the game's last listing could not be shown.
    is_refused: bool,
}

#[derive(Debug)]
enum Writing {
    Read,
    Put(RoomListing),
    Deletion,
}

/// A thing to do for a room.
#[derive(Debug, PartialEq)]
pub(super) enum LobbyStep {
    /// Read the key for its revision.
    Read,
    /// Write the listing, if the key has this revision.
    Put(u64, RoomListing),
    /// Delete the key, if it has this revision.
    Delete(u64),
}

impl Lobby {
    /// The entry of a room in lobbies, as of its last write.
    pub(super) fn listing(&self, id: &RoomId) -> Option<&Listing> {
        let (stored, _) = self.rooms.get(id)?.stored.as_ref()?;
        Some(&stored.listing)
    }

    /// Makes a room due, because something has happened in it.
    pub(super) fn touch(&mut self, id: &RoomId, now: Instant) {
        let Some(entry) = self.rooms.get_mut(id) else {
            self.rooms.insert(id.clone(), Entry::default());
            return self.due.set(id, Some(now));
        };
        if entry.writing.is_some() {
            entry.is_stale = true;
        } else {
            let at = entry.looked_at.map_or(now, |at| now.max(at + INTERVAL));
            self.due.set_earlier(id, at);
        }
    }

    /// Forgets a room that is not in memory any more. What is stored of it stays until its time is over.
    pub(super) fn forget(&mut self, id: &RoomId) {
        if self.rooms.remove(id).is_some() {
            self.due.set(id, None);
        }
    }

    /// Returns a room that needs a look.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<RoomId> {
        self.due.pop_due(now)
    }

    /// Sets whether due rooms wait for writes of any partition to end.
    pub(super) fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    pub(super) fn is_held(&self) -> bool {
        self.is_held
    }

    /// Notes whether a room's listing can be shown. Returns whether it could be before.
    pub(super) fn set_refused(&mut self, id: &RoomId, is_refused: bool) -> bool {
        let entry = self.rooms.get_mut(id);
        entry.is_some_and(|entry| !std::mem::replace(&mut entry.is_refused, is_refused))
    }

    /// Takes a look at a room that lobbies are to show like this. Returns what is to be done, which is then in flight.
    pub(super) fn look(
        &mut self,
        id: &RoomId,
        shown: Option<RoomListing>,
        now: Instant,
    ) -> Option<LobbyStep> {
        let entry = self.rooms.get_mut(id)?;
        self.due.set(id, None);
        if entry.writing.is_some() {
            entry.is_stale = true;
            return None;
        }
        entry.looked_at = Some(now);
        entry.is_stale = false;
        let (step, writing) = match (shown, &entry.stored) {
            (None, None) => return None,
            _ if entry.is_unsure => (LobbyStep::Read, Writing::Read),
            (None, Some(_)) => (LobbyStep::Delete(entry.revision), Writing::Deletion),
            (Some(shown), stored) => {
                let due = stored
                    .as_ref()
                    .map(|(stored, at)| due(stored, &shown, *at))
                    .filter(|due| *due > now);
                if due.is_some() {
                    self.due.set(id, due);
                    return None;
                }
                let put = LobbyStep::Put(entry.revision, shown.clone());
                (put, Writing::Put(shown))
            }
        };
        entry.writing = Some(writing);
        Some(step)
    }

    /// Handles the end of a write: the new revision, or `None` if it failed.
    pub(super) fn on_written(&mut self, id: &RoomId, revision: Option<u64>, now: Instant) {
        let Some(entry) = self.rooms.get_mut(id) else {
            return;
        };
        let writing = entry.writing.take();
        let at = match (revision, writing) {
            (Some(revision), Some(Writing::Put(listing))) => {
                entry.revision = revision;
                entry.stored = Some((listing, now));
                now + if entry.is_stale {
                    INTERVAL
                } else {
                    RENEW_AFTER
                }
            }
            (Some(_), _) => {
                // Whether the marker is still there when the room is shown again is not known.
                entry.is_unsure = true;
                entry.stored = None;
                if !entry.is_stale {
                    return;
                }
                now + INTERVAL
            }
            (None, _) => {
                entry.is_unsure = true;
                now + RETRY
            }
        };
        self.due.set(id, Some(at));
    }

    /// Handles the end of a read: the revision of the key, or `None` if it failed.
    pub(super) fn on_read(&mut self, id: &RoomId, revision: Option<u64>, now: Instant) {
        let Some(entry) = self.rooms.get_mut(id) else {
            return;
        };
        entry.writing = None;
        if let Some(revision) = revision {
            entry.revision = revision;
            entry.is_unsure = false;
        }
        let at = now
            + if revision.is_some() {
                Duration::ZERO
            } else {
                RETRY
            };
        self.due.set(id, Some(at));
    }

    /// The next time at which a room needs a look, unless rooms [wait](Self::is_held).
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.next().filter(|_| !self.is_held)
    }
}

/// The time at which a room is written of which `stored` was written at `at`.
fn due(stored: &RoomListing, shown: &RoomListing, at: Instant) -> Instant {
    let like_stored = RoomListing {
        spectators: stored.spectators,
        ..shown.clone()
    };
    at + if stored == shown {
        RENEW_AFTER
    } else if like_stored == *stored {
        SPECTATORS_INTERVAL
    } else {
        INTERVAL
    }
}

#[cfg(test)]
mod tests;
