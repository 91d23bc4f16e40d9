//! From the won lease to `Ready`: claim the checkpoint, read the rooms up to the barrier, look whether the log was cut,
//! read it to its end (D9 to D11).

use std::collections::BTreeMap;

use grandstand_common::bus::{Bucket, KvEntry, LogState};
use grandstand_common::id::RoomId;
use grandstand_common::record::{Checkpoint, Cut};
use grandstand_common::subject;

use super::rooms::{Origin, Quarantine, Slot};
use super::{Fate, Owned, Pending, RETRY, Shared};
use crate::command::{Command, KvSource, Outcome};
use crate::stored::quarantine::{QuarantineRecord, Why};
use crate::stored::snapshot;

/// Cuts that are remembered.
const KEPT_CUTS: usize = 32;

/// What a takeover has read.
#[derive(Debug, Default)]
pub(super) struct Found {
    rooms: BTreeMap<RoomId, KvEntry>,
    /// The revision of the checkpoint that was delivered.
    checkpoint: u64,
    /// The same, as of when all that was stored had been delivered.
    through: u64,
    records: BTreeMap<RoomId, (QuarantineRecord, u64)>,
    /// All records were delivered.
    has_records: bool,
}

/// How far a takeover has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Reading the checkpoint.
    Checkpoint,
    /// Writing it with the own epoch (D10).
    Claiming,
    /// Reading rooms and quarantine, which began with the takeover, up to the barrier.
    Reading,
    /// Looking where the log begins and ends.
    Measuring,
    /// Writing a cut (D11).
    Cutting,
    /// Reading the log to its end.
    Replaying,
    /// Done.
    Ready,
    /// Writing what is uncovered, then the checkpoint.
    Releasing,
}

impl Owned {
    /// Begins, or begins again after something failed.
    pub(crate) fn begin(&mut self, cx: &mut Shared) {
        self.stage = Stage::Checkpoint;
        self.retry_at = None;
        self.checkpoint_next = None;
        self.found = Found::default();
        let token = cx.token(self.id, Pending::Takeover);
        let (bucket, key) = self.checkpoint_key();
        cx.commands.push_back(Command::Get { bucket, key, token });
        // Meanwhile what is there is read: where that ends is known when the checkpoint is written.
        for source in [KvSource::Quarantine, KvSource::Rooms] {
            let partition = self.id;
            cx.commands.push_back(Command::OpenKv { partition, source });
        }
    }

    /// Whether entries are taken.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Replaying | Stage::Ready)
    }

    pub(super) fn checkpoint_key(&self) -> (Bucket, String) {
        (Bucket::Rooms(self.id), subject::checkpoint_key(self.id))
    }

    pub(super) fn on_takeover(&mut self, cx: &mut Shared, outcome: Outcome) -> Fate {
        match (self.stage, outcome) {
            (Stage::Checkpoint, Outcome::Value(entry)) => return self.claim(cx, entry),
            (Stage::Claiming, Outcome::Stored(revision)) => {
                self.checkpoint_revision = revision;
                self.stage = Stage::Reading;
                self.try_measure(cx);
            }
            (Stage::Measuring, Outcome::Log(log)) => self.on_measured(cx, log),
            (Stage::Cutting, Outcome::Stored(revision)) => {
                self.checkpoint_revision = revision;
                if let Some(next) = self.checkpoint_next.take() {
                    self.checkpoint = next;
                }
                self.load(cx);
            }
            _ => self.retry_at = Some(cx.now.at + RETRY),
        }
        Fate::Held
    }

    fn claim(&mut self, cx: &mut Shared, entry: Option<KvEntry>) -> Fate {
        self.checkpoint_revision = entry.as_ref().map_or(0, |entry| entry.revision);
        let value = entry.and_then(|entry| entry.value);
        let stored = value.and_then(|value| serde_json::from_slice::<Checkpoint>(&value).ok());
        if let Some(stored) = stored {
            if stored.epoch > self.epoch {
                return Fate::Lost;
            }
            self.checkpoint = stored;
        }
        self.checkpoint.epoch = self.epoch;
        self.stage = Stage::Claiming;
        let claimed = self.checkpoint.clone();
        self.put_checkpoint(cx, &claimed, Pending::Takeover);
        Fate::Held
    }

    /// A key of the partition was delivered.
    pub(crate) fn handle_kv(
        &mut self,
        cx: &mut Shared,
        source: KvSource,
        item: (KvEntry, u64),
    ) -> Fate {
        let (entry, behind) = item;
        if !self.is_reading() {
            return Fate::Held;
        }
        match source {
            KvSource::Quarantine => {
                if let Some((_, room)) = subject::parse_room_key(&entry.key) {
                    let record = entry.value.and_then(|v| serde_json::from_slice(&v).ok());
                    match record {
                        Some(record) => self.found.records.insert(room, (record, entry.revision)),
                        None => self.found.records.remove(&room),
                    };
                }
            }
            KvSource::Rooms if entry.key == subject::checkpoint_key(self.id) => {
                let stored = entry.value.as_ref();
                let stored = stored.and_then(|v| serde_json::from_slice::<Checkpoint>(v).ok());
                if stored.is_some_and(|stored| stored.epoch > self.epoch) {
                    return Fate::Lost;
                }
                self.found.checkpoint = self.found.checkpoint.max(entry.revision);
            }
            KvSource::Rooms => {
                if let Some((_, room)) = subject::parse_room_key(&entry.key) {
                    self.found.rooms.insert(room, entry);
                }
            }
        }
        if behind == 0 {
            self.on_kv_end(cx, source);
        }
        Fate::Held
    }

    /// All keys that are stored were delivered.
    pub(crate) fn handle_kv_idle(&mut self, cx: &mut Shared, source: KvSource) {
        if self.is_reading() {
            self.on_kv_end(cx, source);
        }
        if self.stage == Stage::Reading && source == KvSource::Rooms && !self.is_past_barrier() {
            // The own write is not there: the bucket was wiped, or written by another owner.
            self.retry_at.get_or_insert(cx.now.at + RETRY);
        }
    }

    /// A reader of keys cannot go on.
    pub(crate) fn handle_kv_lost(&mut self, cx: &mut Shared, source: KvSource) {
        if self.is_reading() {
            match source {
                KvSource::Rooms => {
                    self.found.rooms.clear();
                    (self.found.checkpoint, self.found.through) = (0, 0);
                }
                KvSource::Quarantine => {
                    self.found.records.clear();
                    self.found.has_records = false;
                }
            }
            let partition = self.id;
            cx.commands.push_back(Command::OpenKv { partition, source });
        }
    }

    fn is_reading(&self) -> bool {
        matches!(
            self.stage,
            Stage::Checkpoint | Stage::Claiming | Stage::Reading
        )
    }

    /// Whether all has been delivered that was stored before the own checkpoint (D10).
    fn is_past_barrier(&self) -> bool {
        self.found.through >= self.checkpoint_revision
    }

    fn on_kv_end(&mut self, cx: &mut Shared, source: KvSource) {
        match source {
            KvSource::Rooms => self.found.through = self.found.checkpoint,
            KvSource::Quarantine => self.found.has_records = true,
        }
        self.try_measure(cx);
    }

    fn try_measure(&mut self, cx: &mut Shared) {
        let is_read = self.is_past_barrier() && self.found.has_records;
        if self.stage != Stage::Reading || !is_read {
            return;
        }
        self.stage = Stage::Measuring;
        self.retry_at = None;
        let partition = self.id;
        for source in [KvSource::Quarantine, KvSource::Rooms] {
            cx.commands
                .push_back(Command::CloseKv { partition, source });
        }
        self.measure(cx);
    }

    fn measure(&mut self, cx: &mut Shared) {
        let partition = self.id;
        let token = cx.token(partition, Pending::Takeover);
        cx.commands
            .push_back(Command::LogState { partition, token });
    }

    fn on_measured(&mut self, cx: &mut Shared, log: LogState) {
        (self.log_first, self.log_last) = (log.first, log.last);
        let places = self.found.rooms.values().filter_map(|entry| {
            let place = snapshot::decode_place(entry.value.as_ref()?).ok()?;
            Some(self.checkpoint.covered(place.generation, place.last))
        });
        let reached = places.max().unwrap_or(0);
        let reached = reached.max(self.checkpoint.seq.saturating_sub(1));
        let next = measured(&self.checkpoint, reached, log);
        if next == self.checkpoint {
            self.load(cx);
            return;
        }
        self.stage = Stage::Cutting;
        self.put_checkpoint(cx, &next, Pending::Takeover);
        self.checkpoint_next = Some(next);
    }

    /// Makes the rooms of what was read, and opens the log.
    fn load(&mut self, cx: &mut Shared) {
        self.stage = Stage::Replaying;
        let mut from = self.checkpoint.seq;
        let Found { rooms, records, .. } = std::mem::take(&mut self.found);
        for (id, entry) in rooms {
            match &entry.value {
                Some(_) => self.load_room(cx, &id, entry, &records),
                None => {
                    self.markers.insert(id, entry.revision);
                }
            }
        }
        for (id, (record, revision)) in records {
            if record.build == cx.config.build || record.seq < self.log_first {
                self.isolate(id, &record, revision);
            } else {
                from = from.min(record.seq);
                self.lifted.insert(id, revision);
            }
        }
        self.next_seq = from;
        let broken: Vec<_> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.quarantine.as_ref().is_some_and(|q| !q.stored))
            .map(|(id, _)| id.clone())
            .collect();
        for id in broken {
            self.put_quarantine(cx, &id);
        }
        let ids: Vec<_> = self.slots.keys().cloned().collect();
        for id in ids {
            self.count_room(&id);
        }
        let deleted = self.slots.iter();
        let deleted = deleted.filter_map(|(id, slot)| Some((slot.cover.deleted?, id.clone())));
        self.deleted = deleted.collect();
        let partition = self.id;
        cx.commands.push_back(Command::OpenLog { partition, from });
        self.checkpoint_at = cx.now.at;
    }

    fn load_room(
        &mut self,
        cx: &mut Shared,
        id: &RoomId,
        entry: KvEntry,
        records: &BTreeMap<RoomId, (QuarantineRecord, u64)>,
    ) {
        let value = entry.value.unwrap_or_default();
        let mut slot = Slot {
            revision: entry.revision,
            ..Slot::default()
        };
        let place = snapshot::decode_place(&value);
        let room = place.and_then(|place| {
            let covered = self.checkpoint.covered(place.generation, place.last);
            slot.covered = covered;
            snapshot::decode(&cx.games, id, &value, covered)
        });
        match room {
            Ok(Some(room)) => {
                slot.room = Some(room);
                slot.origin = Origin::of_snapshot(value, slot.covered);
            }
            Ok(None) => slot.cover.deleted = Some(slot.covered),
            Err(error) => {
                let (partition, revision) = (self.id, entry.revision);
                tracing::error!(room = %id, %partition, revision, %error, "a room's snapshot cannot be used, and stays as it is");
                cx.counts.count_unusable(&error);
                let (seq, revision) = match records.get(id) {
                    Some((record, revision)) => (record.seq, *revision),
                    None => (self.checkpoint.seq, 0),
                };
                slot.quarantine = Some(Quarantine {
                    why: Why::Unavailable,
                    seq,
                    revision,
                    stored: false,
                });
            }
        }
        self.slots.insert(id.clone(), slot);
    }

    /// A room that this very build put in quarantine stays there.
    fn isolate(&mut self, id: RoomId, record: &QuarantineRecord, revision: u64) {
        let slot = self.slots.entry(id).or_default();
        slot.room = None;
        slot.origin = Origin::default();
        slot.quarantine = Some(Quarantine {
            why: Why::from_code(&record.code),
            seq: record.seq,
            revision,
            stored: true,
        });
    }

    /// The log was read to the end that it had.
    pub(super) fn on_caught_up(&mut self, cx: &mut Shared) {
        if self.stage != Stage::Replaying {
            return;
        }
        self.stage = Stage::Ready;
        for (id, revision) in std::mem::take(&mut self.lifted) {
            let slot = self.slots.get(&id);
            if slot.is_some_and(|slot| slot.quarantine.is_some()) {
                continue;
            }
            let token = cx.token(self.id, Pending::Lift);
            cx.commands.push_back(Command::DeleteIf {
                bucket: Bucket::Quarantine,
                key: subject::room_key(self.id, &id),
                expected: revision,
                token,
            });
        }
        let rooms: Vec<_> = self.slots.keys().cloned().collect();
        for room in rooms {
            self.reschedule(cx, &room);
        }
        cx.commands.push_back(Command::Ready {
            partition: self.id,
            epoch: self.epoch,
        });
    }
}

/// The checkpoint for a log that is as `log` says, where entries up to `reached` were applied or covered.
pub(super) fn measured(checkpoint: &Checkpoint, reached: u64, log: LogState) -> Checkpoint {
    let mut next = checkpoint.clone();
    next.created_ms = log.created_ms;
    let remade = checkpoint.created_ms != 0 && checkpoint.created_ms != log.created_ms;
    let cut = if remade {
        log.first
    } else if log.last < reached {
        log.last + 1
    } else {
        return next;
    };
    next.generation += 1;
    next.seq = if remade { cut } else { next.seq.min(cut) };
    next.cuts.push(Cut {
        generation: next.generation,
        seq: cut,
    });
    if next.cuts.len() > KEPT_CUTS {
        next.cuts.remove(0);
    }
    next
}
