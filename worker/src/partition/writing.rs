//! Snapshots of rooms written behind, and the keys of deleted rooms (D8, D12).

use std::time::Instant;

use grandstand_common::bus::Bucket;
use grandstand_common::id::RoomId;
use grandstand_common::subject;

use super::checkpoints::is_of_later_epoch;
use super::rooms::Origin;
use super::{Fate, Owned, Pending, RETRY, Shared, Stage};
use crate::command::{Command, Outcome};
use crate::stored::quarantine::Why;
use crate::stored::snapshot::{self, Place};

/// Markers whose revisions are remembered; a room that is made anew without it finds its revision at its first write.
const KEPT_MARKERS: usize = 4_096;

impl Owned {
    /// An entry was applied to a room: it is to be covered.
    pub(super) fn mark(&mut self, now: Instant, room: &RoomId, seq: u64) {
        if let Some(slot) = self.slots.get_mut(room)
            && let Some(first) = slot.cover.mark(seq, now)
        {
            self.uncovered.insert((first, room.clone()));
        }
    }

    /// Writes a room if it is due and may be written.
    pub(super) fn write_room(&mut self, cx: &mut Shared, room: &RoomId) {
        if !self.is_write_due(cx, room) || !cx.can_write() {
            return;
        }
        let Some(slot) = self.slots.get_mut(room) else {
            return;
        };
        let (last, encoded) = match (&slot.room, slot.cover.deleted) {
            (Some(live), _) => {
                let place = Place {
                    epoch: self.epoch,
                    generation: self.checkpoint.generation,
                    last: live.last(),
                };
                (live.last(), snapshot::encode(live, place))
            }
            (None, Some(deleted)) => {
                let place = Place {
                    epoch: self.epoch,
                    generation: self.checkpoint.generation,
                    last: deleted,
                };
                (deleted, snapshot::encode_deleted(place))
            }
            (None, None) => return,
        };
        let value = match encoded {
            Ok(value) if value.len() <= cx.config.state_bytes => value,
            Ok(value) => {
                tracing::error!(%room, bytes = value.len(), "a room's state is too big");
                self.quarantine(cx, room, Why::TooBig);
                return;
            }
            Err(error) => {
                tracing::error!(%room, %error, "a room cannot be written");
                self.quarantine(cx, room, Why::Unavailable);
                return;
            }
        };
        slot.origin = Origin::of_snapshot(value.clone(), last);
        let token = cx.token(self.id, Pending::Room(room.clone()));
        slot.cover.busy = Some(token);
        slot.cover.count = 0;
        slot.cover.since = None;
        slot.cover.next = None;
        cx.commands.push_back(Command::PutIf {
            bucket: Bucket::Rooms(self.id),
            key: subject::room_key(self.id, room),
            value,
            expected: slot.revision,
            token,
        });
    }

    fn is_write_due(&self, cx: &Shared, room: &RoomId) -> bool {
        let at = self.write_at(cx, room);
        at.is_some_and(|at| at <= cx.now.at)
    }

    /// When a room is to be written, if it is.
    pub(super) fn write_at(&self, cx: &Shared, room: &RoomId) -> Option<Instant> {
        let slot = self.slots.get(room)?;
        let cover = &slot.cover;
        if slot.quarantine.is_some() || cover.busy.is_some() {
            return None;
        }
        cover.first?;
        let at_once = self.stage == Stage::Releasing
            || cover.count >= cx.config.snapshot_entries
            || (slot.room.is_none() && cover.deleted.is_some());
        let at = match cover.since {
            Some(since) if !at_once => since + cx.config.snapshot_delay,
            _ => cx.now.at,
        };
        Some(cover.not_before.map_or(at, |before| at.max(before)))
    }

    pub(super) fn on_room_written(
        &mut self,
        cx: &mut Shared,
        room: &RoomId,
        outcome: Outcome,
    ) -> Fate {
        let Some(slot) = self.slots.get_mut(room) else {
            return Fate::Held;
        };
        slot.cover.busy = None;
        if let Outcome::Stored(revision) = outcome {
            slot.revision = revision;
            if slot.quarantine.is_none() {
                let next = slot.cover.next.take();
                let first = std::mem::replace(&mut slot.cover.first, next);
                if let Some(first) = first {
                    self.uncovered.remove(&(first, room.clone()));
                }
                if let Some(next) = next {
                    self.uncovered.insert((next, room.clone()));
                }
                if let (None, Some(deleted)) = (&slot.room, slot.cover.deleted) {
                    self.deleted.insert((deleted, room.clone()));
                }
            }
            self.write_checkpoint(cx);
            return self.on_progress(cx, room);
        }
        slot.cover.next = None;
        slot.cover.since.get_or_insert(cx.now.at);
        // A lost swap can be written over at once; what fails otherwise may go on failing.
        let failed = outcome != Outcome::Conflict;
        slot.cover.not_before = failed.then_some(cx.now.at + RETRY);
        let token = cx.token(self.id, Pending::RoomBack(room.clone()));
        slot.cover.busy = Some(token);
        cx.commands.push_back(Command::Get {
            bucket: Bucket::Rooms(self.id),
            key: subject::room_key(self.id, room),
            token,
        });
        Fate::Held
    }

    /// After a lost compare-and-swap, or a lost answer: a higher epoch means that the partition is gone, anything else
    /// that its revision is to be written over.
    pub(super) fn on_room_read_back(
        &mut self,
        cx: &mut Shared,
        room: &RoomId,
        outcome: Outcome,
    ) -> Fate {
        let Some(slot) = self.slots.get_mut(room) else {
            return Fate::Held;
        };
        slot.cover.busy = None;
        match outcome {
            Outcome::Value(entry) => {
                slot.revision = entry.as_ref().map_or(0, |entry| entry.revision);
                if is_of_later_epoch(entry.as_ref(), self.epoch) {
                    return Fate::Lost;
                }
                slot.cover.since = cx.now.at.checked_sub(cx.config.snapshot_delay);
            }
            _ => slot.cover.not_before = Some(cx.now.at + RETRY),
        }
        self.on_progress(cx, room)
    }

    /// After a write of a room: the next one, or the end of the release.
    fn on_progress(&mut self, cx: &mut Shared, room: &RoomId) -> Fate {
        self.delete_keys(cx);
        self.write_room(cx, room);
        self.reschedule(cx, room);
        self.try_release(cx)
    }

    /// Deleted rooms that the checkpoint has passed need not be named any more.
    pub(super) fn delete_keys(&mut self, cx: &mut Shared) {
        while let Some((deleted, _)) = self.deleted.first() {
            if *deleted >= self.checkpoint.seq || !cx.can_write() {
                return;
            }
            let Some((_, room)) = self.deleted.pop_first() else {
                return;
            };
            let Some(slot) = self.slots.get_mut(&room) else {
                continue;
            };
            if slot.room.is_some() || slot.quarantine.is_some() || slot.cover.busy.is_some() {
                continue;
            }
            let token = cx.token(self.id, Pending::Delete(room.clone()));
            slot.cover.busy = Some(token);
            cx.commands.push_back(Command::DeleteIf {
                bucket: Bucket::Rooms(self.id),
                key: subject::room_key(self.id, &room),
                expected: slot.revision,
                token,
            });
        }
    }

    pub(super) fn on_deleted(&mut self, cx: &mut Shared, room: &RoomId, outcome: Outcome) -> Fate {
        let Some(slot) = self.slots.get_mut(room) else {
            return Fate::Held;
        };
        slot.cover.busy = None;
        if let Outcome::Stored(revision) = outcome {
            slot.revision = revision;
            if slot.room.is_none() && slot.quarantine.is_none() && slot.cover.first.is_none() {
                self.slots.remove(room);
                if self.markers.len() < KEPT_MARKERS {
                    self.markers.insert(room.clone(), revision);
                }
            }
        } else if slot.room.is_none() && slot.quarantine.is_none() {
            // It stays named until the room is made anew, or the next owner deletes it.
            tracing::debug!(%room, "a deleted room's key could not be deleted");
        }
        self.on_progress(cx, room)
    }
}
