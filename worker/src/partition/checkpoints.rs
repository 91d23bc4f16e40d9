//! The checkpoint: the first entry that stored snapshots do not cover (D9).

use std::time::{Duration, Instant};

use grandstand_common::bus::{KvEntry, LogState};
use grandstand_common::id::Epoch;
use grandstand_common::record::{Checkpoint, Cut};

use super::tenure::Tenure;
use crate::command::{Command, Outcome};
use crate::context::{Context, TenureState};
use crate::requests::Purpose;
use crate::stored::record::read_record;

/// The delay before a failed write is repeated.
const RETRY: Duration = Duration::from_millis(250);
/// The most cuts that a checkpoint lists.
const KEPT_CUTS: usize = 32;

/// The checkpoint of a partition, and its write in flight.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// The checkpoint that is stored.
    stored: Checkpoint,
    revision: u64,
    /// The end that the log had at the takeover. Records of earlier owners beyond it were cut off.
    log_end: u64,
    /// The checkpoint whose write is in flight.
    writing: Option<Checkpoint>,
    /// The earliest time of the next write, by the configured interval.
    next_at: Instant,
    /// The earliest time of the next write that covers few further entries.
    few_at: Instant,
    /// The number of further entries that are not few.
    many: u64,
    /// The time of the next write, after one failed.
    retry_at: Option<Instant>,
    /// Whether it is to be written even if it covers no more than before.
    forced: bool,
}

impl Checkpoints {
    pub(super) fn new(epoch: Epoch, now: Instant) -> Self {
        Self {
            stored: Checkpoint {
                epoch,
                generation: 0,
                seq: 0,
                created_ms: 0,
                cuts: Vec::new(),
                unread_to: None,
            },
            revision: 0,
            log_end: u64::MAX,
            writing: None,
            next_at: now,
            few_at: now,
            many: 0,
            retry_at: None,
            forced: false,
        }
    }

    /// Returns the first entry that the stored checkpoint does not cover.
    pub(super) fn seq(&self) -> u64 {
        self.stored.seq
    }

    /// Returns the log's generation, which is the number of its cuts.
    pub(super) fn generation(&self) -> u64 {
        self.stored.generation
    }

    /// Returns the first entry behind the last cut of the log, or 0.
    pub(super) fn last_cut(&self) -> u64 {
        self.stored.cuts.last().map_or(0, |cut| cut.seq)
    }

    /// Returns the last entry that a snapshot covers which was written in `generation` and contains entries up to
    /// `last`.
    pub(super) fn covered(&self, generation: u64, last: u64) -> u64 {
        self.stored.covered(generation, last)
    }

    /// Forgets the write in flight: a takeover begins, or begins again.
    pub(super) fn begin(&mut self) {
        self.writing = None;
        self.log_end = u64::MAX;
    }

    /// Takes the checkpoint of the last owner, and writes it with the own epoch (D10). Returns false, and writes
    /// nothing, if a later owner wrote it.
    pub(super) fn claim(
        &mut self,
        cx: &mut Context,
        tenure: Tenure,
        entry: Option<KvEntry>,
    ) -> Result<(), Epoch> {
        self.revision = entry.as_ref().map_or(0, |entry| entry.revision);
        let stored = entry.and_then(|entry| {
            let value = entry.value?;
            read_record::<Checkpoint>(&entry.key, &value)
        });
        if let Some(stored) = stored {
            if stored.epoch > tenure.epoch {
                return Err(stored.epoch);
            }
            self.stored = stored;
        }
        self.stored.epoch = tenure.epoch;
        let claimed = self.stored.clone();
        self.put(cx, tenure, &claimed, Purpose::Takeover);
        Ok(())
    }

    /// Notes that the claim, or the checkpoint of the measured log, is stored.
    pub(super) fn on_takeover_stored(&mut self, revision: u64) {
        self.revision = revision;
        if let Some(next) = self.writing.take() {
            self.stored = next;
        }
    }

    /// Writes the checkpoint if the log ends before entry `reached`, was created again, or was never measured before
    /// (D11), or if stored rooms are still to be read (`!is_read`). Returns whether it does.
    pub(super) fn write_measured(
        &mut self,
        cx: &mut Context,
        tenure: Tenure,
        reached: u64,
        is_read: bool,
        log: LogState,
    ) -> bool {
        // An earlier owner that did not get to read all rooms measured an end, too.
        let is_same_log = self.stored.created_ms == log.created_ms;
        let unread_to = self.stored.unread_to.filter(|_| is_same_log);
        let last = unread_to.map_or(log.last, |to| to.min(log.last));
        let mut next = after_measuring(&self.stored, reached, LogState { last, ..log });
        self.log_end = last;
        next.unread_to = (!is_read).then_some(last);
        let is_changed = next != self.stored;
        if is_changed {
            self.put(cx, tenure, &next, Purpose::Takeover);
            self.writing = Some(next);
        }
        is_changed
    }

    /// Adds a cut to the checkpoint if an earlier owner stored a room that covers entry `reached`, which is beyond the
    /// end that the log had at the takeover (D11). Returns the next entry then.
    pub(super) fn cut_beyond(&mut self, now: Instant, reached: u64) -> Option<u64> {
        let log = LogState {
            first: 0,
            last: self.log_end,
            created_ms: self.stored.created_ms,
        };
        self.cut(now, reached, log)
    }

    /// Notes that all stored rooms were read.
    pub(super) fn on_rooms_read(&mut self, now: Instant) {
        if self.stored.unread_to.take().is_some() {
            self.forced = true;
            self.next_at = now;
        }
    }

    /// Adds a cut to the checkpoint if the log ends before entry `reached` or was created again (D11). Returns the next
    /// entry then.
    pub(super) fn cut(&mut self, now: Instant, reached: u64, log: LogState) -> Option<u64> {
        let next = after_measuring(&self.stored, reached, log);
        if next.generation == self.stored.generation {
            return None;
        }
        self.stored = next;
        self.forced = true;
        self.next_at = now;
        Some(self.last_cut())
    }

    /// Allows the first write, when the partition is loaded.
    pub(super) fn on_loaded(&mut self, now: Instant) {
        self.next_at = now;
    }

    /// Writes the checkpoint if `covered`, the first uncovered entry, is later than the stored one and the interval has
    /// passed, or the interval is ignored (`at_once`).
    pub(super) fn advance(
        &mut self,
        cx: &mut Context,
        tenure: Tenure,
        covered: u64,
        at_once: bool,
    ) {
        if self.writing.is_some() {
            return;
        }
        let is_due = match self.retry_at {
            Some(at) => cx.now.at >= at,
            None => at_once || cx.now.at >= self.interval_end(covered),
        };
        let is_later = covered > self.stored.seq;
        if is_due && (is_later || self.forced) {
            let next = Checkpoint {
                seq: covered.max(self.stored.seq),
                ..self.stored.clone()
            };
            if self.put(cx, tenure, &next, Purpose::WriteCheckpoint) {
                self.forced = false;
                self.writing = Some(next);
            }
        }
    }

    /// Returns when to call [`advance`](Self::advance).
    pub(super) fn poll_timeout(&self, covered: u64) -> Option<Instant> {
        let is_wanted = covered > self.stored.seq || self.forced;
        let at = self.retry_at.unwrap_or(self.interval_end(covered));
        (self.writing.is_none() && is_wanted).then_some(at)
    }

    /// Returns the earliest time of a write with `covered`. A successor reads few entries quickly, so few are covered
    /// rarely (D32).
    fn interval_end(&self, covered: u64) -> Instant {
        let is_urgent = self.forced || covered.saturating_sub(self.stored.seq) >= self.many;
        if is_urgent { self.next_at } else { self.few_at }
    }

    /// Whether no write is in flight or to be repeated.
    pub(super) fn is_settled(&self) -> bool {
        self.writing.is_none() && !self.forced
    }

    /// Handles the outcome of a write. Returns whether it is stored; if not, reads the stored value.
    pub(super) fn on_written(
        &mut self,
        cx: &mut Context,
        tenure: Tenure,
        covered: u64,
        outcome: &Outcome,
    ) -> bool {
        if let Outcome::Stored(revision) = outcome {
            self.revision = *revision;
            if let Some(next) = self.writing.take() {
                self.stored.seq = next.seq.min(covered);
            }
            return true;
        }
        // After a conflict the next write uses the revision that is read. Other failures may persist.
        let after = match outcome {
            Outcome::Conflict => Duration::ZERO,
            _ => RETRY,
        };
        self.retry_at = Some(cx.now.at + after);
        let (bucket, key) = tenure.checkpoint_key();
        let token = cx.request(tenure.id, Purpose::ReadBackCheckpoint);
        cx.commands.push_back(Command::Get { bucket, key, token });
        false
    }

    /// Handles the outcome of the read after a failed write. Returns whether the partition is still this owner's.
    pub(super) fn on_read_back(
        &mut self,
        now: Instant,
        tenure: Tenure,
        outcome: Outcome,
    ) -> TenureState {
        self.writing = None;
        self.forced = true;
        match outcome {
            Outcome::Value(entry) => {
                if let Some(later) = tenure.superseded_by(entry.as_ref()) {
                    return TenureState::Lost(later);
                }
                let revision = entry.map_or(0, |entry| entry.revision);
                // A get is never older than what was acked.
                if revision < self.revision {
                    return TenureState::RolledBack;
                }
                self.revision = revision;
            }
            _ => self.retry_at = Some(now + RETRY),
        }
        TenureState::Held
    }

    /// Writes a checkpoint. Returns whether it does. The log says if it cannot be encoded; it is then tried again
    /// later, and a takeover does not continue without it. An empty one would let a successor begin anywhere.
    fn put(
        &mut self,
        cx: &mut Context,
        tenure: Tenure,
        checkpoint: &Checkpoint,
        purpose: Purpose,
    ) -> bool {
        self.next_at = cx.now.at + cx.config.checkpoint_interval;
        self.few_at = cx.now.at + cx.config.checkpoint_delay;
        self.many = cx.config.checkpoint_entries;
        self.retry_at = None;
        let (bucket, key) = tenure.checkpoint_key();
        let value = match serde_json::to_vec(checkpoint) {
            Ok(value) => value.into(),
            Err(error) => {
                tracing::error!(partition = tenure.id.0, %error, "cannot encode the checkpoint of a partition");
                self.retry_at = Some(cx.now.at + RETRY);
                return false;
            }
        };
        let token = cx.request(tenure.id, purpose);
        cx.commands.push_back(Command::PutIf {
            bucket,
            key,
            value,
            expected: self.revision,
            token,
        });
        true
    }
}

/// Returns the checkpoint for a log in state `log`. It has a new cut if the log ends before entry `reached`, the last
/// one applied or covered, or was created again.
fn after_measuring(checkpoint: &Checkpoint, reached: u64, log: LogState) -> Checkpoint {
    let mut next = checkpoint.clone();
    next.created_ms = log.created_ms;
    let is_new_log = checkpoint.created_ms != 0 && checkpoint.created_ms != log.created_ms;
    let cut = if is_new_log {
        log.first
    } else if log.last < reached {
        log.last + 1
    } else {
        return next;
    };
    // Snapshots of earlier generations show no cut any more.
    next.unread_to = None;
    next.generation += 1;
    next.seq = if is_new_log { cut } else { next.seq.min(cut) };
    next.cuts.push(Cut {
        generation: next.generation,
        seq: cut,
    });
    if next.cuts.len() > KEPT_CUTS {
        next.cuts.remove(0);
    }
    next
}

#[cfg(test)]
mod tests;
