//! The steps from a won lease to the log: claim the checkpoint, read the rooms up to the barrier, measure the log (D9
//! to D11).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use grandstand_common::bus::{KvEntry, LogState};
use grandstand_common::id::{Epoch, RoomId};
use grandstand_common::record::Checkpoint;
use grandstand_common::subject;

use super::tenure::Tenure;
use crate::command::{Command, KvSource, Outcome};
use crate::context::Context;
use crate::requests::Purpose;
use crate::stored::quarantine::QuarantineRecord;
use crate::stored::snapshot;

/// The delay before a failed takeover begins again.
const RETRY: Duration = Duration::from_millis(250);
/// The time limit of a handover. What is not stored by then is left to the successor, which reads it from the log (D27).
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// The stage of a takeover, and later of the tenure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// Reading the checkpoint.
    #[default]
    Checkpoint,
    /// Writing the checkpoint with the own epoch (D10).
    Claiming,
    /// Reading rooms and quarantine records up to the barrier, which is the own checkpoint. The readers were opened
    /// when the takeover began.
    Reading,
    /// Measuring where the log begins and ends.
    Measuring,
    /// Writing the checkpoint of the measured log, with a cut if it was cut (D11).
    Cutting,
    /// Reading the log to the end that it had.
    Replaying,
    /// Serving: the takeover is complete.
    Ready,
    /// Writing uncovered rooms, then the checkpoint, for the handover.
    Releasing,
}

/// The values that a takeover read: of rooms, and of quarantine records with their revisions.
#[derive(Debug, Default)]
pub(super) struct StoredRooms {
    pub(super) rooms: BTreeMap<RoomId, KvEntry>,
    pub(super) records: BTreeMap<RoomId, (QuarantineRecord, u64)>,
}

/// The takeover of a partition, and its stage until the handover.
#[derive(Debug, Default)]
pub(super) struct Takeover {
    stage: Stage,
    stored: StoredRooms,
    /// The latest revision of the checkpoint that the reader of rooms delivered.
    checkpoint: u64,
    /// The value of `checkpoint` when that reader last had delivered all stored keys.
    through: u64,
    /// Whether all stored records were delivered.
    has_records: bool,
    /// The first and the last entry in the log when it was measured.
    log_first: u64,
    log_last: u64,
    retry_at: Option<Instant>,
    /// When the handover ends at the latest.
    release_until: Option<Instant>,
}

/// The next step of a takeover.
#[derive(Debug)]
pub(super) enum Step {
    /// Wait for another outcome.
    Wait,
    /// Claim this checkpoint.
    Claim(Option<KvEntry>),
    /// Go on: the checkpoint is claimed, with this revision.
    Claimed(u64),
    /// Find out whether this log was cut.
    Measure(LogState),
    /// Go on: the checkpoint of the measured log is stored, with this revision.
    Cut(u64),
}

impl Takeover {
    /// Begins the takeover, or begins it again after a failure.
    pub(super) fn begin(&mut self, cx: &mut Context, tenure: Tenure) {
        *self = Self {
            log_last: u64::MAX,
            ..Self::default()
        };
        let token = cx.request(tenure.id, Purpose::Takeover);
        let (bucket, key) = tenure.checkpoint_key();
        cx.commands.push_back(Command::Get { bucket, key, token });
        // The stored rooms are read meanwhile. Their end is known once the checkpoint is written.
        for source in [KvSource::Quarantine, KvSource::Rooms] {
            let partition = tenure.id;
            cx.commands.push_back(Command::OpenKv { partition, source });
        }
    }

    /// Whether entries are applied.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Replaying | Stage::Ready)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    pub(super) fn is_releasing(&self) -> bool {
        self.stage == Stage::Releasing
    }

    /// Begins the handover: no more entries are applied.
    pub(super) fn release(&mut self, now: Instant) {
        self.stage = Stage::Releasing;
        self.release_until.get_or_insert(now + RELEASE_LIMIT);
    }

    /// Whether the time limit of the handover has passed.
    pub(super) fn is_release_overdue(&self, now: Instant) -> bool {
        self.release_until.is_some_and(|until| until <= now)
    }

    /// Ends the takeover at the end of the log. Returns whether it was replaying.
    pub(super) fn catch_up(&mut self) -> bool {
        let caught_up = self.stage == Stage::Replaying;
        if caught_up {
            self.stage = Stage::Ready;
        }
        caught_up
    }

    /// Returns the first entry that the log had when it was measured.
    pub(super) fn log_first(&self) -> u64 {
        self.log_first
    }

    /// Whether an entry is the last that the log had when it was measured, or a later one.
    pub(super) fn is_log_end(&self, seq: u64) -> bool {
        seq >= self.log_last
    }

    /// Handles the outcome of a step's command.
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

    /// Handles a key that a reader delivered. Returns the epoch of a later owner if the key has one.
    pub(super) fn on_key(
        &mut self,
        tenure: Tenure,
        source: KvSource,
        entry: KvEntry,
    ) -> Option<Epoch> {
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
                if let Some(later) = stored.filter(|stored| stored.epoch > tenure.epoch) {
                    return Some(later.epoch);
                }
                self.checkpoint = self.checkpoint.max(entry.revision);
            }
            KvSource::Rooms => {
                if let Some((_, room)) = subject::parse_room_key(&entry.key) {
                    self.stored.rooms.insert(room, entry);
                }
            }
        }
        None
    }

    /// Notes that a reader has delivered all stored keys.
    pub(super) fn on_keys_end(&mut self, source: KvSource) {
        match source {
            KvSource::Rooms => self.through = self.checkpoint,
            KvSource::Quarantine => self.has_records = true,
        }
    }

    /// Schedules a new beginning if the reader of rooms has delivered all stored keys without the claimed checkpoint:
    /// the bucket was wiped, or another owner wrote it.
    pub(super) fn check_barrier(&mut self, now: Instant, source: KvSource, claimed: u64) {
        let is_missing = source == KvSource::Rooms && self.through < claimed;
        if self.stage == Stage::Reading && is_missing {
            self.retry_at.get_or_insert(now + RETRY);
        }
    }

    /// Drops what a failed reader delivered, and opens the reader again.
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

    /// Measures the log once the readers have delivered all that was stored before the own checkpoint, whose revision
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

    /// Returns the last entry that a stored room covers. `covered` maps the generation and last entry of a snapshot to
    /// the last entry that it covers.
    pub(super) fn reached(&self, covered: impl Fn(u64, u64) -> u64) -> u64 {
        let last = self.stored.rooms.values().filter_map(|entry| {
            let head = snapshot::decode_head(entry.value.as_ref()?).ok()?;
            Some(covered(head.generation, head.last))
        });
        last.max().unwrap_or(0)
    }

    /// Notes that the checkpoint of the measured log is being written.
    pub(super) fn begin_cut(&mut self) {
        self.stage = Stage::Cutting;
    }

    /// Begins replaying the log. Returns the values that were read.
    pub(super) fn begin_replay(&mut self) -> StoredRooms {
        self.stage = Stage::Replaying;
        std::mem::take(&mut self.stored)
    }

    /// Returns whether the takeover is to begin again now.
    pub(super) fn take_retry(&mut self, now: Instant) -> bool {
        let is_due = self.retry_at.take_if(|at| *at <= now).is_some();
        is_due && !self.is_running() && !self.is_releasing()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.retry_at.into_iter().chain(self.release_until).min()
    }
}
