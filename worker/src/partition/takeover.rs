//! From the won lease to the log: claim the checkpoint, read the rooms up to the barrier, look whether the log was cut
//! (D9 to D11).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use grandstand_common::bus::{KvEntry, LogState};
use grandstand_common::id::RoomId;
use grandstand_common::record::Checkpoint;
use grandstand_common::subject;

use super::tenure::Tenure;
use crate::command::{Command, KvSource, Outcome};
use crate::context::Context;
use crate::requests::Purpose;
use crate::stored::quarantine::QuarantineRecord;
use crate::stored::snapshot;

/// When a takeover that failed begins again.
const RETRY: Duration = Duration::from_millis(250);

/// How far a takeover has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// Reading the checkpoint.
    #[default]
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

/// The stored rooms, and the records of those in quarantine with their revisions.
#[derive(Debug, Default)]
pub(super) struct StoredRooms {
    pub(super) rooms: BTreeMap<RoomId, KvEntry>,
    pub(super) records: BTreeMap<RoomId, (QuarantineRecord, u64)>,
}

/// A partition's takeover, and what comes of it.
#[derive(Debug, Default)]
pub(super) struct Takeover {
    stage: Stage,
    stored: StoredRooms,
    /// The revision of the checkpoint that was delivered.
    checkpoint: u64,
    /// The same, as of when all that was stored had been delivered.
    through: u64,
    /// All records were delivered.
    has_records: bool,
    /// The first and the last entry that were in the log.
    log_first: u64,
    log_last: u64,
    retry_at: Option<Instant>,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing.
    Wait,
    /// Claim the checkpoint, which is this.
    Claim(Option<KvEntry>),
    /// The checkpoint is claimed, with this revision.
    Claimed(u64),
    /// Look whether the log was cut: it is so.
    Measure(LogState),
    /// The cut is stored, with this revision.
    Cut(u64),
}

impl Takeover {
    /// Begins, or begins again after something failed.
    pub(super) fn begin(&mut self, cx: &mut Context, tenure: Tenure) {
        *self = Self {
            log_last: u64::MAX,
            ..Self::default()
        };
        let token = cx.request(tenure.id, Purpose::Takeover);
        let (bucket, key) = tenure.checkpoint_key();
        cx.commands.push_back(Command::Get { bucket, key, token });
        // The stored rooms are read meanwhile: where they end is known when the checkpoint is written.
        for source in [KvSource::Quarantine, KvSource::Rooms] {
            let partition = tenure.id;
            cx.commands.push_back(Command::OpenKv { partition, source });
        }
    }

    /// Whether entries are taken.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Replaying | Stage::Ready)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    pub(super) fn is_releasing(&self) -> bool {
        self.stage == Stage::Releasing
    }

    /// Takes no more entries: the partition is handed over.
    pub(super) fn release(&mut self) {
        self.stage = Stage::Releasing;
    }

    /// The log is being read, as of `entry`. Returns whether the takeover is done with it.
    pub(super) fn catch_up(&mut self) -> bool {
        let caught_up = self.stage == Stage::Replaying;
        if caught_up {
            self.stage = Stage::Ready;
        }
        caught_up
    }

    /// The first entry that was in the log.
    pub(super) fn log_first(&self) -> u64 {
        self.log_first
    }

    /// Whether an entry is the last that was in the log, or a later one.
    pub(super) fn is_log_end(&self, seq: u64) -> bool {
        seq >= self.log_last
    }

    /// What became of a step's command.
    pub(super) fn on_outcome(&mut self, now: Instant, outcome: Outcome) -> Step {
        match (self.stage, outcome) {
            (Stage::Checkpoint, Outcome::Value(entry)) => {
                self.stage = Stage::Claiming;
                return Step::Claim(entry);
            }
            (Stage::Claiming, Outcome::Stored(revision)) => {
                self.stage = Stage::Reading;
                return Step::Claimed(revision);
            }
            (Stage::Measuring, Outcome::Log(log)) => {
                (self.log_first, self.log_last) = (log.first, log.last);
                return Step::Measure(log);
            }
            (Stage::Cutting, Outcome::Stored(revision)) => return Step::Cut(revision),
            _ => self.retry_at = Some(now + RETRY),
        }
        Step::Wait
    }

    /// A key was delivered. Returns whether the partition is still this owner's.
    pub(super) fn on_key(&mut self, tenure: Tenure, source: KvSource, entry: KvEntry) -> bool {
        match source {
            KvSource::Quarantine => {
                if let Some((_, room)) = subject::parse_room_key(&entry.key) {
                    let record = entry.value.and_then(|v| serde_json::from_slice(&v).ok());
                    match record {
                        Some(record) => self.stored.records.insert(room, (record, entry.revision)),
                        None => self.stored.records.remove(&room),
                    };
                }
            }
            KvSource::Rooms if entry.key == subject::checkpoint_key(tenure.id) => {
                let stored = entry.value.as_ref();
                let stored = stored.and_then(|v| serde_json::from_slice::<Checkpoint>(v).ok());
                if stored.is_some_and(|stored| stored.epoch > tenure.epoch) {
                    return false;
                }
                self.checkpoint = self.checkpoint.max(entry.revision);
            }
            KvSource::Rooms => {
                if let Some((_, room)) = subject::parse_room_key(&entry.key) {
                    self.stored.rooms.insert(room, entry);
                }
            }
        }
        true
    }

    /// All keys that are stored were delivered.
    pub(super) fn on_keys_end(&mut self, source: KvSource) {
        match source {
            KvSource::Rooms => self.through = self.checkpoint,
            KvSource::Quarantine => self.has_records = true,
        }
    }

    /// A reader of keys has nothing more. If the own write is not there, the bucket was wiped or another owner wrote it.
    pub(super) fn check_barrier(&mut self, now: Instant, source: KvSource, claimed: u64) {
        let is_missing = source == KvSource::Rooms && self.through < claimed;
        if self.stage == Stage::Reading && is_missing {
            self.retry_at.get_or_insert(now + RETRY);
        }
    }

    /// A reader of keys cannot go on: it is opened again.
    pub(super) fn on_reader_lost(&mut self, cx: &mut Context, tenure: Tenure, source: KvSource) {
        match source {
            KvSource::Rooms => {
                self.stored.rooms.clear();
                (self.checkpoint, self.through) = (0, 0);
            }
            KvSource::Quarantine => {
                self.stored.records.clear();
                self.has_records = false;
            }
        }
        let partition = tenure.id;
        cx.commands.push_back(Command::OpenKv { partition, source });
    }

    /// Whether keys are being read.
    pub(super) fn is_reading(&self) -> bool {
        matches!(
            self.stage,
            Stage::Checkpoint | Stage::Claiming | Stage::Reading
        )
    }

    /// Looks where the log ends once everything was delivered that was stored before the own checkpoint, whose revision
    /// is `claimed` (D10).
    pub(super) fn try_measure(&mut self, cx: &mut Context, tenure: Tenure, claimed: u64) {
        let is_read = self.through >= claimed && self.has_records;
        if self.stage != Stage::Reading || !is_read {
            return;
        }
        self.stage = Stage::Measuring;
        self.retry_at = None;
        let partition = tenure.id;
        for source in [KvSource::Quarantine, KvSource::Rooms] {
            cx.commands
                .push_back(Command::CloseKv { partition, source });
        }
        let token = cx.request(partition, Purpose::Takeover);
        cx.commands
            .push_back(Command::LogState { partition, token });
    }

    /// The last entry that a stored room covers; `covered` says where a snapshot of a generation stands.
    pub(super) fn reached(&self, covered: impl Fn(u64, u64) -> u64) -> u64 {
        let places = self.stored.rooms.values().filter_map(|entry| {
            let place = snapshot::decode_head(entry.value.as_ref()?).ok()?;
            Some(covered(place.generation, place.last))
        });
        places.max().unwrap_or(0)
    }

    /// A cut is being written.
    pub(super) fn cut(&mut self) {
        self.stage = Stage::Cutting;
    }

    /// The log is read from now on. Returns what is stored.
    pub(super) fn finish(&mut self) -> StoredRooms {
        self.stage = Stage::Replaying;
        std::mem::take(&mut self.stored)
    }

    /// Whether the takeover is to begin again.
    pub(super) fn take_retry(&mut self, now: Instant) -> bool {
        let is_due = self.retry_at.take_if(|at| *at <= now).is_some();
        is_due && !self.is_running() && !self.is_releasing()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.retry_at
    }
}
