//! The steps from a won lease to the log: claim the checkpoint, read the quarantine records, measure the log (D9 to
//! D11). The stored rooms are read meanwhile, up to the barrier, and beyond that moment if they are many (D25).

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
use crate::stored::record::read_record;

/// The delay before a failed takeover begins again.
const RETRY: Duration = Duration::from_millis(250);
/// The time limit of a handover. The successor reads from the log what is not stored by then (D27).
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// The stage of a takeover, and later of the tenure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// Reading the checkpoint.
    #[default]
    Checkpoint,
    /// Writing the checkpoint with the own epoch (D10).
    Claiming,
    /// Reading quarantine records.
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

/// The quarantine records that a takeover read, with their revisions.
pub(super) type Records = BTreeMap<RoomId, (QuarantineRecord, u64)>;

/// The takeover of a partition, and its stage until the handover.
#[derive(Debug, Default)]
pub(super) struct Takeover {
    stage: Stage,
    records: Records,
    /// Whether the reader of rooms was opened. Items from the reader of an earlier attempt are void.
    reads_rooms: bool,
    /// The revision of the own claim of the checkpoint; 0 until it is stored.
    claimed: u64,
    /// The latest revision of the checkpoint that the reader of rooms delivered.
    checkpoint: u64,
    /// The value of `checkpoint` when that reader last had delivered all stored keys.
    through: u64,
    /// Whether all stored rooms were delivered: those that were stored before the own claim (D10).
    is_read: bool,
    /// Whether all stored records were delivered.
    has_records: bool,
    /// The last entry that a room covers, of those that were read before the log was measured.
    reached: u64,
    /// The time at which the takeover began first; `None` once it is complete.
    begun: Option<Instant>,
    /// The entries that it has read again.
    replayed: u64,
    /// The first and the last entry in the log when it was measured.
    log_first: u64,
    log_last: u64,
    /// The last entry that was read when the takeover was complete. Its effects and those of earlier ones are not sent
    /// to edges, even if their rooms are loaded later.
    replayed_to: u64,
    retry_at: Option<Instant>,
    /// The time at which the takeover begins again unless the reader of rooms has delivered the own claim.
    barrier_until: Option<Instant>,
    /// The latest time at which the handover ends.
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
            begun: self.begun.or(Some(cx.now.at)),
            ..Self::default()
        };
        let token = cx.request(tenure.id, Purpose::Takeover);
        let (bucket, key) = tenure.checkpoint_key();
        cx.commands.push_back(Command::Get { bucket, key, token });
        open(cx, tenure, KvSource::Quarantine);
    }

    /// Closes the reader of rooms that an earlier attempt opened.
    pub(super) fn close_rooms(&self, cx: &mut Context, tenure: Tenure) {
        if self.reads_rooms && !self.is_read {
            close(cx, tenure, KvSource::Rooms);
        }
    }

    /// Begins to read the stored rooms. Their end is known once the claim of the checkpoint is stored.
    pub(super) fn read_rooms(&mut self, cx: &mut Context, tenure: Tenure) {
        self.reads_rooms = true;
        open(cx, tenure, KvSource::Rooms);
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

    /// Whether the log was measured and its checkpoint is stored.
    pub(super) fn is_measured(&self) -> bool {
        self.is_running() || self.is_releasing()
    }

    /// Whether all stored rooms are known. Until then nothing is written but cuts of the log, because a room that is read
    /// may show one (D11).
    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }

    /// Whether what follows from an entry is sent to edges. A replay sends nothing.
    pub(super) fn sends(&self, seq: u64) -> bool {
        self.is_ready() && seq > self.replayed_to
    }

    /// Counts an entry that is read again, while the takeover is not complete.
    pub(super) fn count_replayed(&mut self) {
        self.replayed += u64::from(self.stage == Stage::Replaying);
    }

    /// The duration of the takeover, and the entries that it has read again. To be called once it is complete.
    pub(super) fn take_measured(&mut self, now: Instant) -> Option<(Duration, u64)> {
        let begun = self.begun.take()?;
        Some((now.saturating_duration_since(begun), self.replayed))
    }

    /// Ends the takeover at the end of the log, whose last entry is `replayed_to`. Returns whether it was replaying.
    pub(super) fn catch_up(&mut self, replayed_to: u64) -> bool {
        let caught_up = self.stage == Stage::Replaying;
        if caught_up {
            self.stage = Stage::Ready;
            self.replayed_to = replayed_to;
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
                self.claimed = revision;
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

    /// Handles a quarantine record that a reader delivered.
    pub(super) fn on_record(&mut self, entry: KvEntry) {
        if let Some((_, room)) = subject::parse_room_key(&entry.key) {
            let record = entry
                .value
                .and_then(|value| read_record(&entry.key, &value));
            match record {
                Some(record) => self.records.insert(room, (record, entry.revision)),
                None => self.records.remove(&room),
            };
        }
    }

    /// Handles the checkpoint that the reader of rooms delivered. Returns the epoch of a later owner if it has one.
    pub(super) fn on_checkpoint(&mut self, tenure: Tenure, entry: &KvEntry) -> Option<Epoch> {
        let stored = entry.value.as_ref();
        let stored = stored.and_then(|value| read_record::<Checkpoint>(&entry.key, value));
        if let Some(later) = stored.filter(|stored| stored.epoch > tenure.epoch) {
            return Some(later.epoch);
        }
        self.checkpoint = self.checkpoint.max(entry.revision);
        None
    }

    /// Notes that a reader has delivered all stored keys.
    pub(super) fn on_keys_end(&mut self, source: KvSource) {
        match source {
            KvSource::Rooms => self.through = self.checkpoint,
            KvSource::Quarantine => self.has_records = true,
        }
    }

    /// Ends the reading of rooms once the reader has delivered all that was stored before the own claim (D10). Returns
    /// whether this call did.
    pub(super) fn end_rooms(&mut self, cx: &mut Context, tenure: Tenure) -> bool {
        if self.is_read || self.claimed == 0 || self.through < self.claimed {
            return false;
        }
        self.is_read = true;
        self.barrier_until = None;
        close(cx, tenure, KvSource::Rooms);
        true
    }

    /// Schedules a new beginning if the reader of rooms has delivered all stored keys without the claimed checkpoint:
    /// the bucket was wiped, or another owner wrote it.
    pub(super) fn check_barrier(&mut self, now: Instant, source: KvSource) {
        let is_missing = source == KvSource::Rooms && self.claimed > self.through;
        if is_missing && !self.is_read {
            self.barrier_until.get_or_insert(now + RETRY);
        }
    }

    /// Drops what a failed reader delivered, and opens the reader again.
    pub(super) fn on_reader_lost(&mut self, cx: &mut Context, tenure: Tenure, source: KvSource) {
        match source {
            // Rooms are compared by their revisions when they are read again.
            KvSource::Rooms => (self.checkpoint, self.through) = (0, 0),
            KvSource::Quarantine => {
                self.records.clear();
                self.has_records = false;
            }
        }
        open(cx, tenure, source);
    }

    /// Whether keys of this source are being read.
    pub(super) fn is_reading(&self, source: KvSource) -> bool {
        match source {
            KvSource::Rooms => self.reads_rooms && !self.is_read,
            KvSource::Quarantine => matches!(
                self.stage,
                Stage::Checkpoint | Stage::Claiming | Stage::Reading
            ),
        }
    }

    /// Measures the log once the checkpoint is claimed and the quarantine records are read.
    pub(super) fn try_measure(&mut self, cx: &mut Context, tenure: Tenure) {
        if self.stage != Stage::Reading || !self.has_records {
            return;
        }
        self.stage = Stage::Measuring;
        close(cx, tenure, KvSource::Quarantine);
        let partition = tenure.id;
        let token = cx.request(partition, Purpose::Takeover);
        cx.commands
            .push_back(Command::LogState { partition, token });
    }

    /// Notes that a room covers an entry.
    pub(super) fn reach(&mut self, covered: u64) {
        self.reached = self.reached.max(covered);
    }

    /// Returns the last entry that a room covers, of those that were read so far. Later ones count from then on.
    pub(super) fn take_reached(&mut self) -> u64 {
        std::mem::take(&mut self.reached)
    }

    /// Notes that the checkpoint of the measured log is being written.
    pub(super) fn begin_cut(&mut self) {
        self.stage = Stage::Cutting;
    }

    /// Begins replaying the log. Returns the records that were read.
    pub(super) fn begin_replay(&mut self) -> Records {
        self.stage = Stage::Replaying;
        std::mem::take(&mut self.records)
    }

    /// Returns whether the takeover is to begin again now, because a step failed or the bucket lacks the own claim.
    pub(super) fn take_retry(&mut self, now: Instant) -> bool {
        let step = self.retry_at.take_if(|at| *at <= now).is_some();
        let barrier = self.barrier_until.take_if(|at| *at <= now).is_some();
        (step || barrier) && !self.is_releasing()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let until = [self.retry_at, self.barrier_until, self.release_until];
        until.into_iter().flatten().min()
    }
}

fn open(cx: &mut Context, tenure: Tenure, source: KvSource) {
    let partition = tenure.id;
    cx.commands.push_back(Command::OpenKv { partition, source });
}

fn close(cx: &mut Context, tenure: Tenure, source: KvSource) {
    let partition = tenure.id;
    cx.commands
        .push_back(Command::CloseKv { partition, source });
}
