//! Snapshots and quarantine records written behind, and the checkpoint that says how far they cover the log (D8, D9, D14).

use grandstand_common::bus::{Bucket, KvEntry};
use grandstand_common::id::RoomId;
use grandstand_common::record::Checkpoint;
use grandstand_common::subject;

use super::slot::{Origin, Quarantine};
use super::{Fate, Owned, Pending, RETRY, Shared};
use crate::command::{Command, Now, Outcome};
use crate::partition::Stage;
use crate::quarantine::{QuarantineRecord, Why};
use crate::snapshot::{self, Place};

impl Owned {
    /// An entry was applied to a room: it is to be covered.
    pub(super) fn mark(&mut self, now: Now, room: &RoomId, seq: u64) {
        if let Some(slot) = self.slots.get_mut(room)
            && let Some(first) = slot.cover.mark(seq, now.at)
        {
            self.uncovered.insert((first, room.clone()));
        }
    }

    /// Writes a room if it is due and may be written.
    pub(super) fn write_room(&mut self, cx: &mut Shared, now: Now, room: &RoomId) {
        if !self.is_write_due(cx, now, room) || !cx.can_write() {
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
                self.quarantine(cx, now, room, Why::TooBig);
                return;
            }
            Err(error) => {
                tracing::error!(%room, %error, "a room cannot be written");
                self.quarantine(cx, now, room, Why::Unavailable);
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

    fn is_write_due(&self, cx: &Shared, now: Now, room: &RoomId) -> bool {
        let at = self.write_at(cx, now, room);
        at.is_some_and(|at| at <= now.at)
    }

    /// When a room is to be written, if it is.
    pub(super) fn write_at(
        &self,
        cx: &Shared,
        now: Now,
        room: &RoomId,
    ) -> Option<std::time::Instant> {
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
            _ => now.at,
        };
        Some(cover.not_before.map_or(at, |before| at.max(before)))
    }

    pub(super) fn on_room_written(
        &mut self,
        cx: &mut Shared,
        now: Now,
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
            self.write_checkpoint(cx, now);
            return self.on_progress(cx, now, room);
        }
        slot.cover.next = None;
        slot.cover.since.get_or_insert(now.at);
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
        now: Now,
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
                if is_of_later_epoch(entry.as_ref(), self.epoch.0) {
                    return Fate::Lost;
                }
                slot.cover.not_before = None;
                slot.cover.since = now.at.checked_sub(cx.config.snapshot_delay);
            }
            _ => slot.cover.not_before = Some(now.at + RETRY),
        }
        self.on_progress(cx, now, room)
    }

    /// After a write of a room: the next one, or the end of the release.
    fn on_progress(&mut self, cx: &mut Shared, now: Now, room: &RoomId) -> Fate {
        self.write_room(cx, now, room);
        self.reschedule(cx, now, room);
        self.try_release(cx, now)
    }

    /// The first entry that no stored snapshot covers.
    fn covered_to(&self) -> u64 {
        let first = self.uncovered.first();
        first.map_or(self.next_seq, |(seq, _)| *seq)
    }

    /// Writes the checkpoint if it can go on and was not written just now.
    pub(super) fn write_checkpoint(&mut self, cx: &mut Shared, now: Now) {
        let releasing = self.stage == Stage::Releasing;
        if !(self.is_running() || releasing) || self.checkpoint_next.is_some() {
            return;
        }
        let next = Checkpoint {
            seq: self.covered_to().max(self.checkpoint.seq),
            ..self.checkpoint.clone()
        };
        let is_due = releasing || now.at >= self.checkpoint_at;
        if is_due && (next != self.checkpoint || self.checkpoint_due) {
            self.checkpoint_due = false;
            self.put_checkpoint(cx, now, &next, Pending::Checkpoint);
            self.checkpoint_next = Some(next);
        }
    }

    /// When the checkpoint is to be written.
    pub(super) fn checkpoint_timeout(&self) -> Option<std::time::Instant> {
        let runs = self.is_running() || self.stage == Stage::Releasing;
        let idle = self.checkpoint_next.is_none() && runs;
        let moved = self.covered_to() > self.checkpoint.seq || self.checkpoint_due;
        (idle && moved).then_some(self.checkpoint_at)
    }

    pub(super) fn put_checkpoint(
        &mut self,
        cx: &mut Shared,
        now: Now,
        checkpoint: &Checkpoint,
        pending: Pending,
    ) {
        self.checkpoint_at = now.at + cx.config.checkpoint_interval;
        let (bucket, key) = self.checkpoint_key();
        let value = serde_json::to_vec(checkpoint).unwrap_or_default().into();
        let token = cx.token(self.id, pending);
        cx.commands.push_back(Command::PutIf {
            bucket,
            key,
            value,
            expected: self.checkpoint_revision,
            token,
        });
    }

    pub(super) fn on_checkpoint_written(
        &mut self,
        cx: &mut Shared,
        now: Now,
        outcome: Outcome,
    ) -> Fate {
        if let Outcome::Stored(revision) = outcome {
            self.checkpoint_revision = revision;
            if let Some(next) = self.checkpoint_next.take() {
                self.checkpoint.seq = next.seq.min(self.covered_to());
            }
            self.delete_keys(cx);
            return self.try_release(cx, now);
        }
        let (bucket, key) = self.checkpoint_key();
        let token = cx.token(self.id, Pending::CheckpointBack);
        cx.commands.push_back(Command::Get { bucket, key, token });
        Fate::Held
    }

    pub(super) fn on_checkpoint_read_back(
        &mut self,
        cx: &mut Shared,
        now: Now,
        outcome: Outcome,
    ) -> Fate {
        self.checkpoint_next = None;
        self.checkpoint_due = true;
        match outcome {
            Outcome::Value(entry) => {
                if is_of_later_epoch(entry.as_ref(), self.epoch.0) {
                    return Fate::Lost;
                }
                self.checkpoint_revision = entry.map_or(0, |entry| entry.revision);
                self.checkpoint_at = now.at;
                self.write_checkpoint(cx, now);
            }
            _ => self.checkpoint_at = now.at + RETRY,
        }
        Fate::Held
    }

    /// Deleted rooms that the checkpoint has passed need not be named any more.
    fn delete_keys(&mut self, cx: &mut Shared) {
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

    pub(super) fn on_deleted(
        &mut self,
        cx: &mut Shared,
        now: Now,
        room: &RoomId,
        outcome: Outcome,
    ) -> Fate {
        let Some(slot) = self.slots.get_mut(room) else {
            return Fate::Held;
        };
        slot.cover.busy = None;
        if let Outcome::Stored(revision) = outcome {
            slot.revision = revision;
            if slot.room.is_none() && slot.quarantine.is_none() && slot.cover.first.is_none() {
                self.markers.insert(room.clone(), revision);
                self.slots.remove(room);
            }
        } else if slot.room.is_none() && slot.quarantine.is_none() {
            // It stays named until the room is made anew, or the next owner deletes it.
            tracing::debug!(%room, "a deleted room's key could not be deleted");
        }
        self.on_progress(cx, now, room)
    }

    /// Takes a room out of service. What is stored of it stays as it is.
    pub(super) fn quarantine(&mut self, cx: &mut Shared, now: Now, room: &RoomId, why: Why) {
        tracing::error!(%room, code = why.code(), "a room goes to quarantine");
        self.close(cx, now, room, why.code());
        let Some(slot) = self.slots.get_mut(room) else {
            return;
        };
        let seq = slot.cover.first.unwrap_or(self.next_seq.saturating_sub(1));
        slot.room = None;
        slot.origin = Origin::default();
        slot.asked.clear();
        slot.next_tick = None;
        let revision = slot.quarantine.as_ref().map(|q| q.revision);
        slot.quarantine = Some(Quarantine {
            why,
            seq,
            revision: revision.or(self.lifted.get(room).copied()).unwrap_or(0),
            stored: false,
        });
        self.put_quarantine(cx, room);
    }

    /// Until the record is stored, the room holds the checkpoint back.
    pub(super) fn put_quarantine(&mut self, cx: &mut Shared, room: &RoomId) {
        let Some(slot) = self.slots.get_mut(room) else {
            return;
        };
        let Some(quarantine) = slot.quarantine.as_ref().filter(|q| !q.stored) else {
            return;
        };
        slot.cover.first = Some(quarantine.seq);
        self.uncovered.insert((quarantine.seq, room.clone()));
        let record = QuarantineRecord {
            epoch: self.epoch,
            build: cx.config.build.clone(),
            seq: quarantine.seq,
            code: quarantine.why.code().to_owned(),
        };
        let token = cx.token(self.id, Pending::Quarantine(room.clone()));
        cx.commands.push_back(Command::PutIf {
            bucket: Bucket::Quarantine,
            key: subject::room_key(self.id, room),
            value: serde_json::to_vec(&record).unwrap_or_default().into(),
            expected: quarantine.revision,
            token,
        });
    }

    pub(super) fn on_quarantine_written(
        &mut self,
        cx: &mut Shared,
        now: Now,
        room: &RoomId,
        outcome: Outcome,
    ) -> Fate {
        let slot = self.slots.get_mut(room);
        let Some((slot, first)) = slot.and_then(|slot| {
            let first = slot.cover.first?;
            Some((slot, first))
        }) else {
            return Fate::Held;
        };
        if let (Outcome::Stored(revision), Some(quarantine)) = (&outcome, &mut slot.quarantine) {
            quarantine.revision = *revision;
            quarantine.stored = true;
            slot.cover.first = None;
            self.uncovered.remove(&(first, room.clone()));
            self.write_checkpoint(cx, now);
            return self.try_release(cx, now);
        }
        let token = cx.token(self.id, Pending::QuarantineBack(room.clone()));
        cx.commands.push_back(Command::Get {
            bucket: Bucket::Quarantine,
            key: subject::room_key(self.id, room),
            token,
        });
        Fate::Held
    }

    pub(super) fn on_quarantine_read_back(
        &mut self,
        cx: &mut Shared,
        now: Now,
        room: &RoomId,
        outcome: Outcome,
    ) -> Fate {
        let Some(slot) = self.slots.get_mut(room) else {
            return Fate::Held;
        };
        match (outcome, &mut slot.quarantine) {
            (Outcome::Value(entry), Some(quarantine)) => {
                if is_of_later_epoch(entry.as_ref(), self.epoch.0) {
                    return Fate::Lost;
                }
                quarantine.revision = entry.map_or(0, |entry| entry.revision);
                self.put_quarantine(cx, room);
            }
            _ => {
                slot.cover.not_before = Some(now.at + RETRY);
                self.reschedule(cx, now, room);
            }
        }
        Fate::Held
    }

    /// Hands the partition over: no more entries, everything is written, then the checkpoint.
    pub(crate) fn release(&mut self, cx: &mut Shared, now: Now) -> Fate {
        if !self.is_running() {
            return Fate::Released;
        }
        self.stage = Stage::Releasing;
        let partition = self.id;
        cx.commands.push_back(Command::CloseLog { partition });
        let rooms: Vec<_> = self
            .uncovered
            .iter()
            .map(|(_, room)| room.clone())
            .collect();
        for room in rooms {
            self.write_room(cx, now, &room);
            self.reschedule(cx, now, &room);
        }
        self.try_release(cx, now)
    }

    pub(super) fn try_release(&mut self, cx: &mut Shared, now: Now) -> Fate {
        if self.stage != Stage::Releasing || !self.uncovered.is_empty() {
            return Fate::Held;
        }
        self.write_checkpoint(cx, now);
        if self.checkpoint_next.is_some() || self.slots.values().any(|s| s.cover.busy.is_some()) {
            return Fate::Held;
        }
        Fate::Released
    }
}

fn is_of_later_epoch(entry: Option<&KvEntry>, epoch: u64) -> bool {
    #[derive(serde::Deserialize)]
    struct Epoched {
        epoch: u64,
    }
    let value = entry.and_then(|entry| entry.value.as_ref());
    let epoched = value.and_then(|value| serde_json::from_slice::<Epoched>(value).ok());
    epoched.is_some_and(|e| e.epoch > epoch)
}
