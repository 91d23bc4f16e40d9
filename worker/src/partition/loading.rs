//! Rooms that nobody is in leave memory; what they are to do next does not (D13).
//!
//! A room at rest is all in its stored snapshot. Its place in the log and its timers are kept, and an entry or a watch
//! brings it back: what comes until it is read waits here, in order.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use grandstand_common::bus::{Bucket, KvEntry};
use grandstand_common::id::{EdgeId, Instance, RoomId};
use grandstand_common::subject;
use grandstand_common::wire::RoomInterest;

use super::checkpoints::is_of_later_epoch;
use super::rooms::Origin;
use super::{Fate, Owned, Pending, RETRY, Shared};
use crate::command::{Command, Now, Outcome};
use crate::room::{Armed, Logged};
use crate::stored::quarantine::Why;
use crate::stored::snapshot;

/// Entries of rooms that are being read: beyond it the log is not read on.
const MAX_WAITING: usize = 4_096;

/// A room at rest.
#[derive(Debug)]
pub(super) struct Asleep {
    pub(super) instance: Instance,
    pub(super) timers: BTreeMap<String, Armed>,
    waiting: VecDeque<Waiting>,
    /// Its snapshot is being read.
    loading: bool,
    retry_at: Option<Instant>,
}

/// What is for a room that is being read.
#[derive(Debug)]
pub(super) enum Waiting {
    Entry(Logged),
    Interest(EdgeId, RoomInterest),
}

impl Owned {
    /// When a room is to leave memory, if it is at rest.
    pub(super) fn idle_at(&mut self, cx: &Shared, id: &RoomId) -> Option<Instant> {
        let after = cx.config.idle?;
        let is_watched = self.audiences.contains_key(id);
        let is_ready = self.is_ready();
        let slot = self.slots.get_mut(id)?;
        let room = slot.room.as_ref()?;
        let cover = &slot.cover;
        let is_covered = cover.first.is_none() && cover.busy.is_none() && slot.revision > 0;
        let is_at_rest = is_ready && is_covered && !is_watched && room.edges().next().is_none();
        if !is_at_rest {
            slot.quiet_since = None;
            return None;
        }
        Some(*slot.quiet_since.get_or_insert(cx.now.at) + after)
    }

    /// Drops a room that is at rest for long.
    pub(super) fn sleep_if_idle(&mut self, cx: &Shared, id: &RoomId) {
        if self.idle_at(cx, id).is_none_or(|at| cx.now.at < at) {
            return;
        }
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        let Some(room) = slot.room.take() else {
            return;
        };
        slot.covered = room.last();
        slot.origin = Origin::default();
        slot.next_tick = None;
        slot.quiet_since = None;
        slot.asleep = Some(Box::new(Asleep {
            instance: room.instance(),
            timers: room.state().timers.clone(),
            waiting: VecDeque::new(),
            loading: false,
            retry_at: None,
        }));
        self.count_room(id);
    }

    pub(super) fn is_asleep(&self, id: &RoomId) -> bool {
        self.slots.get(id).is_some_and(|slot| slot.asleep.is_some())
    }

    /// Something is for a room at rest: it waits until the room is read.
    pub(super) fn wake(&mut self, cx: &mut Shared, id: &RoomId, what: Waiting) {
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        let Some(asleep) = &mut slot.asleep else {
            return;
        };
        match &what {
            Waiting::Entry(logged) => {
                // Until it is applied, it holds the checkpoint back.
                if slot.cover.first.is_none() {
                    slot.cover.first = Some(logged.seq);
                    self.uncovered.insert((logged.seq, id.clone()));
                }
                self.waiting += 1;
            }
            // Of an edge's wishes the last counts, except that it asked for what it lacks.
            Waiting::Interest(edge, _) => asleep.waiting.retain(
                |other| !matches!(other, Waiting::Interest(of, w) if of == edge && !w.sync),
            ),
        }
        asleep.waiting.push_back(what);
        self.load_asleep(cx, id);
        if self.waiting >= MAX_WAITING && !self.held {
            self.held = true;
            let partition = self.id;
            cx.commands.push_back(Command::CloseLog { partition });
        }
    }

    fn load_asleep(&mut self, cx: &mut Shared, id: &RoomId) {
        let asleep = self.slots.get_mut(id).and_then(|s| s.asleep.as_mut());
        let Some(asleep) = asleep.filter(|asleep| !asleep.loading) else {
            return;
        };
        if asleep.retry_at.is_some_and(|at| cx.now.at < at) {
            return;
        }
        asleep.loading = true;
        asleep.retry_at = None;
        let token = cx.token(self.id, Pending::Wake(id.clone()));
        cx.commands.push_back(Command::Get {
            bucket: Bucket::Rooms(self.id),
            key: subject::room_key(self.id, id),
            token,
        });
    }

    /// When a room that could not be read is to be read again.
    pub(super) fn wake_at(&self, id: &RoomId) -> Option<Instant> {
        self.slots.get(id)?.asleep.as_ref()?.retry_at
    }

    pub(super) fn wake_if_due(&mut self, cx: &mut Shared, id: &RoomId) {
        if self.wake_at(id).is_some_and(|at| at <= cx.now.at) {
            self.load_asleep(cx, id);
        }
    }

    pub(super) fn on_woken(&mut self, cx: &mut Shared, id: &RoomId, outcome: Outcome) -> Fate {
        let Some(asleep) = self.slots.get_mut(id).and_then(|s| s.asleep.as_mut()) else {
            return Fate::Held;
        };
        let Outcome::Value(entry) = outcome else {
            asleep.loading = false;
            asleep.retry_at = Some(cx.now.at + RETRY);
            self.reschedule(cx, id);
            return Fate::Held;
        };
        if is_of_later_epoch(entry.as_ref(), self.epoch) {
            return Fate::Lost;
        }
        let waiting = std::mem::take(&mut asleep.waiting);
        let entries = waiting.iter().filter(|w| matches!(w, Waiting::Entry(_)));
        self.waiting -= entries.count();
        self.settle_woken(cx, id, entry);
        self.count_room(id);
        for what in waiting {
            match what {
                Waiting::Entry(logged) => self.on_logged(cx, id, logged),
                Waiting::Interest(edge, wanted) => self.on_named(cx, (id, &edge), &wanted),
            }
        }
        self.write_room(cx, id);
        self.reschedule(cx, id);
        if self.held && self.waiting < MAX_WAITING / 2 && self.is_running() {
            self.held = false;
            let (partition, from) = (self.id, self.next_seq);
            cx.commands.push_back(Command::OpenLog { partition, from });
        }
        self.try_release(cx)
    }

    /// The room that was read, or what is to be thought of it.
    fn settle_woken(&mut self, cx: &mut Shared, id: &RoomId, entry: Option<KvEntry>) {
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        slot.asleep = None;
        let revision = entry.as_ref().map_or(0, |entry| entry.revision);
        let Some(value) = entry.and_then(|entry| entry.value) else {
            // The bucket was wiped, and the room with it.
            if let Some(first) = slot.cover.first {
                self.uncovered.remove(&(first, id.clone()));
            }
            self.slots.remove(id);
            self.markers.insert(id.clone(), revision);
            return;
        };
        let covered = snapshot::decode_place(&value)
            .map(|place| self.checkpoint.covered(place.generation, place.last));
        let room = covered.and_then(|covered| {
            let room = snapshot::decode(&cx.games, id, &value, covered)?;
            Ok(room.map(|room| (room, covered)))
        });
        let is_own = slot.revision == revision;
        match room {
            Ok(Some((room, covered))) if is_own => {
                slot.covered = covered;
                slot.origin = Origin::of_snapshot(value, covered);
                slot.room = Some(room);
            }
            Ok(_) => {
                tracing::error!(room = %id, revision, "the snapshot of a room at rest is not the one that was stored");
                cx.counts.damaged += 1;
                self.quarantine(cx, id, Why::Unavailable);
            }
            Err(error) => {
                tracing::error!(room = %id, revision, %error, "the snapshot of a room at rest cannot be used, and stays as it is");
                cx.counts.count_unusable(&error);
                self.quarantine(cx, id, Why::Unavailable);
            }
        }
    }

    /// When the next timer of a room at rest is due.
    pub(super) fn timers_of(&self, id: &RoomId) -> Option<&BTreeMap<String, Armed>> {
        let slot = self.slots.get(id)?;
        match (&slot.room, &slot.asleep) {
            (Some(room), _) => Some(&room.state().timers),
            (None, Some(asleep)) => Some(&asleep.timers),
            (None, None) => None,
        }
    }
}

/// How long until a timer is due.
pub(super) fn due_in(armed: &Armed, now: Now) -> Duration {
    Duration::from_millis(armed.due_ms.saturating_sub(now.unix_ms))
}
