//! The worker's own record: registers the worker, renews it, and limits the time for which it may act.

use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::bus::KvEntry;
use grandstand_common::id::WorkerId;
use grandstand_common::record::{GameVersions, WorkerRecord, WorkerState};

use super::command::{GetOutcome, PutOutcome};
use super::record::{decode, encode};

/// The interval at which a worker renews its record.
pub(super) const RENEWAL_INTERVAL: Duration = Duration::from_millis(500);

/// The time for which a worker may act after it sent the last acked renewal.
pub const MAY_ACT_FOR: Duration = Duration::from_secs(2);

/// The worker's own record.
#[derive(Debug)]
pub(super) struct OwnRecord {
    pub(super) id: WorkerId,
    build: String,
    pub(super) games: GameVersions,
    pub(super) state: WorkerState,
    beat: u64,
    /// The revision of the stored record; 0 before the worker is registered.
    revision: u64,
    /// The last revision that the watch delivered.
    seen: u64,
    /// The state in the last acked record.
    pub(super) stored: Option<WorkerState>,
    /// The renewal whose put, or the get of its result, is in flight.
    pending: Option<Renewal>,
    last_sent: Option<Instant>,
    /// The time when the last acked renewal was sent; `None` after a loss of the connection.
    acked: Option<Instant>,
    /// The time of the last loss of the connection. Acks of earlier renewals do not count.
    not_before: Option<Instant>,
}

/// A renewal in flight.
#[derive(Debug, Clone, Copy)]
struct Renewal {
    beat: u64,
    state: WorkerState,
    sent: Instant,
}

/// The effect of an event on the own record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RecordEvent {
    /// There is nothing to do.
    Nothing,
    /// A renewal was acked.
    Renewed,
    /// The watch delivered a renewal.
    Seen,
    /// The result of a put is unknown, so the record must be read.
    Unknown,
    /// Another worker marked this one as dead, or the record is gone.
    Dead,
    /// The bucket came back in an older state than it had acked (D23).
    RolledBack,
}

impl OwnRecord {
    pub(super) fn new(id: WorkerId, build: String, games: GameVersions) -> Self {
        Self {
            id,
            build,
            games,
            state: WorkerState::Alive,
            beat: 0,
            revision: 0,
            seen: 0,
            stored: None,
            pending: None,
            last_sent: None,
            acked: None,
            not_before: None,
        }
    }

    /// Whether the worker may publish, append and put. The bound itself is excluded, because other workers may mark this
    /// one as dead from then on.
    pub(super) fn may_act(&self, now: Instant) -> bool {
        self.acked.is_some_and(|sent| now < sent + MAY_ACT_FOR)
    }

    /// The time when [`may_act`](Self::may_act) ends if no further renewal is acked.
    pub(super) fn may_act_until(&self) -> Option<Instant> {
        self.acked.map(|sent| sent + MAY_ACT_FOR)
    }

    /// Makes a renewal due at once, after a change of the record or a reconnect.
    pub(super) fn renew_now(&mut self) {
        self.last_sent = None;
    }

    /// The time of the next renewal; `None` while one is in flight or due.
    pub(super) fn next_renewal(&self) -> Option<Instant> {
        match self.pending {
            Some(_) => None,
            None => self.last_sent.map(|sent| sent + RENEWAL_INTERVAL),
        }
    }

    /// Starts a renewal if one is due. Returns the encoded record and the revision to replace.
    pub(super) fn renew(&mut self, now: Instant) -> Option<(Bytes, u64)> {
        let due = self
            .last_sent
            .is_none_or(|sent| now >= sent + RENEWAL_INTERVAL);
        if self.pending.is_some() || !due {
            return None;
        }
        self.beat += 1;
        self.pending = Some(Renewal {
            beat: self.beat,
            state: self.state,
            sent: now,
        });
        self.last_sent = Some(now);
        let record = WorkerRecord {
            state: self.state,
            beat: self.beat,
            build: self.build.clone(),
            follows_layout: true,
            games: self.games.clone(),
        };
        Some((encode(&record), self.revision))
    }

    pub(super) fn on_put(&mut self, outcome: PutOutcome) -> RecordEvent {
        match outcome {
            PutOutcome::Stored(revision) if revision < self.revision => RecordEvent::RolledBack,
            PutOutcome::Stored(revision) => {
                self.revision = revision;
                self.on_acked()
            }
            PutOutcome::Conflict | PutOutcome::Unknown => RecordEvent::Unknown,
        }
    }

    /// Handles an entry of the watch.
    pub(super) fn on_entry(&mut self, entry: &KvEntry) -> RecordEvent {
        if entry.revision <= self.seen {
            return RecordEvent::Nothing;
        }
        self.seen = entry.revision;
        match self.read(entry) {
            Some(_) => RecordEvent::Seen,
            None => RecordEvent::Dead,
        }
    }

    /// Handles the record that was read because the result of a put was unknown.
    pub(super) fn on_get(&mut self, outcome: &GetOutcome) -> RecordEvent {
        let found = match outcome {
            // The next renewal is put soon, and its outcome shows the state of the record.
            GetOutcome::Failed => {
                self.pending = None;
                return RecordEvent::Nothing;
            }
            // A get is never older than what was acked.
            GetOutcome::Found(entry) if entry.revision < self.revision => {
                return RecordEvent::RolledBack;
            }
            GetOutcome::Found(entry) => self.read(entry),
            GetOutcome::Missing if self.revision == 0 => Some(0),
            GetOutcome::Missing => None,
        };
        match (found, self.pending) {
            (None, _) => RecordEvent::Dead,
            (Some(beat), Some(pending)) if beat == pending.beat => self.on_acked(),
            // The put may still be stored later. Then the next one conflicts, and the record is read again.
            _ => {
                self.pending = None;
                self.last_sent = None;
                RecordEvent::Nothing
            }
        }
    }

    /// The beat of a record; `None` if it marks this worker as dead.
    fn read(&mut self, entry: &KvEntry) -> Option<u64> {
        let record: WorkerRecord = entry.value.as_ref().and_then(decode)?;
        if record.state == WorkerState::Dead && self.state != WorkerState::Dead {
            return None;
        }
        self.revision = self.revision.max(entry.revision);
        Some(record.beat)
    }

    /// Handles a loss of the connection: acks of earlier renewals do not count any more.
    pub(super) fn on_down(&mut self, now: Instant) {
        self.acked = None;
        self.not_before = Some(now);
    }

    fn on_acked(&mut self) -> RecordEvent {
        let Some(Renewal { state, sent, .. }) = self.pending.take() else {
            return RecordEvent::Nothing;
        };
        self.stored = Some(state);
        if self.not_before.is_some_and(|not_before| sent < not_before) {
            return RecordEvent::Nothing;
        }
        self.acked = self.acked.max(Some(sent));
        RecordEvent::Renewed
    }
}
