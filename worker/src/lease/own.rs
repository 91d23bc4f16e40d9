//! The worker's own record: registering, renewing, and until when it may act on it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::bus::KvEntry;
use grandstand_common::id::WorkerId;
use grandstand_common::record::{WorkerRecord, WorkerState};

use super::command::{GetOutcome, PutOutcome};
use super::record::{decode, encode};

/// How often a worker renews its record.
pub(super) const RENEW: Duration = Duration::from_millis(500);

/// How long after the last acked renewal was sent a worker may act.
pub(super) const FRESH: Duration = Duration::from_secs(2);

/// The worker's own record.
#[derive(Debug)]
pub(super) struct OwnRecord {
    pub(super) id: WorkerId,
    build: String,
    pub(super) state: WorkerState,
    beat: u64,
    /// Of the record as it is stored; 0 before it is registered.
    revision: u64,
    /// The last that the watch showed.
    seen: u64,
    /// What was last known to be stored.
    pub(super) stored: Option<WorkerState>,
    /// The put that is under way, or a look at what became of it.
    pending: Option<Renewal>,
    last_sent: Option<Instant>,
    /// When the last renewal that was acked was sent, unless the connection dropped since.
    acked: Option<Instant>,
    /// Acks of what was sent before this do not count: the connection dropped then.
    not_before: Option<Instant>,
}

/// A renewal under way.
#[derive(Debug, Clone, Copy)]
struct Renewal {
    beat: u64,
    state: WorkerState,
    sent: Instant,
}

/// What an event says of the own record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RecordEvent {
    /// Nothing new.
    Nothing,
    /// A renewal is stored.
    Renewed,
    /// The watch shows a renewal.
    Seen,
    /// It must be looked up what became of a put.
    Unknown,
    /// Another worker found this one dead, or the record is gone.
    Dead,
}

impl OwnRecord {
    pub(super) fn new(id: WorkerId, build: String) -> Self {
        Self {
            id,
            build,
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

    /// Whether the worker may publish, append and put. The bound excludes: at it, another may count the silence.
    pub(super) fn may_act(&self, now: Instant) -> bool {
        self.acked.is_some_and(|sent| now < sent + FRESH)
    }

    /// When [`may_act`](Self::may_act) ends if nothing is acked until then.
    pub(super) fn fresh_until(&self) -> Option<Instant> {
        self.acked.map(|sent| sent + FRESH)
    }

    /// Says at once what has changed in the record.
    pub(super) fn renew_now(&mut self) {
        self.last_sent = None;
    }

    pub(super) fn next_renewal(&self) -> Option<Instant> {
        match self.pending {
            Some(_) => None,
            None => self.last_sent.map(|sent| sent + RENEW),
        }
    }

    /// The record as it is to be stored now, and in record of which revision.
    pub(super) fn renew(&mut self, now: Instant) -> Option<(Bytes, u64)> {
        let due = self.last_sent.is_none_or(|sent| now >= sent + RENEW);
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
        };
        Some((encode(&record), self.revision))
    }

    pub(super) fn on_put(&mut self, outcome: PutOutcome) -> RecordEvent {
        match outcome {
            PutOutcome::Stored(revision) => {
                self.revision = self.revision.max(revision);
                self.on_acked()
            }
            PutOutcome::Conflict | PutOutcome::Unknown => RecordEvent::Unknown,
        }
    }

    /// What the watch says of it.
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

    /// What the bucket has of it, looked up because a put's outcome was not plain.
    pub(super) fn on_get(&mut self, outcome: &GetOutcome) -> RecordEvent {
        let found = match outcome {
            // The next put is due in time, and will tell.
            GetOutcome::Failed => {
                self.pending = None;
                return RecordEvent::Nothing;
            }
            GetOutcome::Found(entry) => self.read(entry),
            GetOutcome::Missing if self.revision == 0 => Some(0),
            GetOutcome::Missing => None,
        };
        match (found, self.pending) {
            (None, _) => RecordEvent::Dead,
            (Some(beat), Some(pending)) if beat == pending.beat => self.on_acked(),
            // What was sent may still be stored later; then the next put conflicts, and is looked at in turn.
            _ => {
                self.pending = None;
                self.last_sent = None;
                RecordEvent::Nothing
            }
        }
    }

    /// The beat of a record; `None` if it says that this worker is dead.
    fn read(&mut self, entry: &KvEntry) -> Option<u64> {
        let record: WorkerRecord = entry.value.as_ref().and_then(decode)?;
        if record.state == WorkerState::Dead && self.state != WorkerState::Dead {
            return None;
        }
        self.revision = self.revision.max(entry.revision);
        Some(record.beat)
    }

    /// The connection dropped: nothing counts that was sent before.
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
