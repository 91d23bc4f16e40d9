//! The checkpoint, which says how far snapshots cover the log (D9).

use std::time::{Duration, Instant};

use grandstand_common::bus::{KvEntry, LogState};
use grandstand_common::id::Epoch;
use grandstand_common::record::{Checkpoint, Cut};

use super::tenure::Tenure;
use crate::command::{Command, Outcome};
use crate::context::Context;
use crate::requests::Purpose;

/// When a write that failed is tried again.
const RETRY: Duration = Duration::from_millis(250);
/// Cuts that are remembered.
const KEPT_CUTS: usize = 32;

/// A partition's checkpoint.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// As it is stored.
    stored: Checkpoint,
    revision: u64,
    /// The one that is being written.
    writing: Option<Checkpoint>,
    /// Not before, because it was written just now.
    next_at: Instant,
    /// Not before, after a write that failed.
    retry_at: Option<Instant>,
    /// It is to be written whether or not it has moved.
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
            },
            revision: 0,
            writing: None,
            next_at: now,
            retry_at: None,
            forced: false,
        }
    }

    /// The first entry that is not covered, as it is stored.
    pub(super) fn seq(&self) -> u64 {
        self.stored.seq
    }

    /// The log's generation: how often it was cut.
    pub(super) fn generation(&self) -> u64 {
        self.stored.generation
    }

    /// The revision of the checkpoint as this owner last wrote or read it.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Up to which entry a snapshot covers the log, if it was written in this generation and has entries up to `last`.
    pub(super) fn covered(&self, generation: u64, last: u64) -> u64 {
        self.stored.covered(generation, last)
    }

    /// A takeover begins, or begins again.
    pub(super) fn begin(&mut self) {
        self.writing = None;
    }

    /// Takes the checkpoint that the last owner left, and writes it under the own epoch (D10). Returns whether it may: a
    /// later owner's stays.
    pub(super) fn claim(
        &mut self,
        cx: &mut Context,
        tenure: Tenure,
        entry: Option<KvEntry>,
    ) -> bool {
        self.revision = entry.as_ref().map_or(0, |entry| entry.revision);
        let value = entry.and_then(|entry| entry.value);
        let stored = value.and_then(|value| serde_json::from_slice::<Checkpoint>(&value).ok());
        if let Some(stored) = stored {
            if stored.epoch > tenure.epoch {
                return false;
            }
            self.stored = stored;
        }
        self.stored.epoch = tenure.epoch;
        let claimed = self.stored.clone();
        self.put(cx, tenure, &claimed, Purpose::Takeover);
        true
    }

    /// The claim, or the cut, is stored.
    pub(super) fn on_takeover_stored(&mut self, revision: u64) {
        self.revision = revision;
        if let Some(next) = self.writing.take() {
            self.stored = next;
        }
    }

    /// Writes a cut if the log does not reach entry `reached`, or was made anew (D11). Returns whether there is one.
    pub(super) fn measure(
        &mut self,
        cx: &mut Context,
        tenure: Tenure,
        reached: u64,
        log: LogState,
    ) -> bool {
        let next = measured(&self.stored, reached, log);
        let is_cut = next != self.stored;
        if is_cut {
            self.put(cx, tenure, &next, Purpose::Takeover);
            self.writing = Some(next);
        }
        is_cut
    }

    /// Looks whether entries up to `reached` are gone from the log. Returns the entry that comes next if they are.
    pub(super) fn cut(&mut self, now: Instant, reached: u64, log: LogState) -> Option<u64> {
        let next = measured(&self.stored, reached, log);
        if next.generation == self.stored.generation {
            return None;
        }
        let cut = next.cuts.last().map_or(0, |cut| cut.seq);
        self.stored = next;
        self.forced = true;
        self.next_at = now;
        Some(cut)
    }

    /// The partition is loaded: the checkpoint may be written.
    pub(super) fn on_loaded(&mut self, now: Instant) {
        self.next_at = now;
    }

    /// Writes the checkpoint if snapshots cover more entries, up to `covered`, and it was not written just now.
    /// `at_once`: even if it was.
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
            None => at_once || cx.now.at >= self.next_at,
        };
        let moved = covered > self.stored.seq;
        if is_due && (moved || self.forced) {
            let next = Checkpoint {
                seq: covered.max(self.stored.seq),
                ..self.stored.clone()
            };
            self.forced = false;
            self.put(cx, tenure, &next, Purpose::WriteCheckpoint);
            self.writing = Some(next);
        }
    }

    /// When to call [`advance`](Self::advance).
    pub(super) fn poll_timeout(&self, covered: u64) -> Option<Instant> {
        let moved = covered > self.stored.seq || self.forced;
        let at = self.retry_at.unwrap_or(self.next_at);
        (self.writing.is_none() && moved).then_some(at)
    }

    /// Whether nothing of it is to be written any more.
    pub(super) fn is_settled(&self) -> bool {
        self.writing.is_none() && !self.forced
    }

    /// What became of a write. Returns whether it is stored; if not, what is stored is read.
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
        // Another value that was stored can be written over at once; what fails otherwise may go on failing.
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

    /// What the read after a write that failed has found. Returns whether the partition is still this owner's.
    pub(super) fn on_read_back(&mut self, now: Instant, tenure: Tenure, outcome: Outcome) -> bool {
        self.writing = None;
        self.forced = true;
        match outcome {
            Outcome::Value(entry) => {
                if tenure.is_superseded_by(entry.as_ref()) {
                    return false;
                }
                self.revision = entry.map_or(0, |entry| entry.revision);
            }
            _ => self.retry_at = Some(now + RETRY),
        }
        true
    }

    fn put(&mut self, cx: &mut Context, tenure: Tenure, checkpoint: &Checkpoint, purpose: Purpose) {
        self.next_at = cx.now.at + cx.config.checkpoint_interval;
        self.retry_at = None;
        let (bucket, key) = tenure.checkpoint_key();
        let value = serde_json::to_vec(checkpoint).unwrap_or_default().into();
        let token = cx.request(tenure.id, purpose);
        cx.commands.push_back(Command::PutIf {
            bucket,
            key,
            value,
            expected: self.revision,
            token,
        });
    }
}

/// The checkpoint for a log that is as `log` says, where entries up to `reached` were applied or covered.
fn measured(checkpoint: &Checkpoint, reached: u64, log: LogState) -> Checkpoint {
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
