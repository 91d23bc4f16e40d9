//! Rooms in quarantine, and the records that say so (D14).

use grandstand_common::bus::Bucket;
use grandstand_common::id::RoomId;
use grandstand_common::subject;

use super::checkpoints::is_of_later_epoch;
use super::rooms::{Origin, Quarantine};
use super::{Fate, Owned, Pending, RETRY, Shared};
use crate::command::{Command, Outcome};
use crate::stored::quarantine::{QuarantineRecord, Why};

impl Owned {
    /// Takes a room out of service. What is stored of it stays as it is.
    pub(super) fn quarantine(&mut self, cx: &mut Shared, room: &RoomId, why: Why) {
        tracing::error!(%room, code = why.code(), "a room goes to quarantine");
        self.close(cx, room, why.code());
        let Some(slot) = self.slots.get_mut(room) else {
            return;
        };
        let seq = slot.cover.first.unwrap_or(self.next_seq.saturating_sub(1));
        slot.room = None;
        slot.asleep = None;
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
        self.count_room(room);
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
            self.write_checkpoint(cx);
            return self.try_release(cx);
        }
        let failed = outcome != Outcome::Conflict;
        slot.cover.not_before = failed.then_some(cx.now.at + RETRY);
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
        room: &RoomId,
        outcome: Outcome,
    ) -> Fate {
        let Some(slot) = self.slots.get_mut(room) else {
            return Fate::Held;
        };
        match (outcome, &mut slot.quarantine) {
            (Outcome::Value(entry), Some(quarantine)) => {
                if is_of_later_epoch(entry.as_ref(), self.epoch) {
                    return Fate::Lost;
                }
                quarantine.revision = entry.map_or(0, |entry| entry.revision);
                if slot.cover.not_before.is_none() {
                    self.put_quarantine(cx, room);
                }
            }
            _ => slot.cover.not_before = Some(cx.now.at + RETRY),
        }
        self.reschedule(cx, room);
        Fate::Held
    }
}
