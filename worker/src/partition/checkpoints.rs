//! The checkpoint that says how far snapshots cover the log (D9), and the release that ends with it.

use std::time::{Duration, Instant};

use grandstand_common::bus::KvEntry;
use grandstand_common::id::Epoch;
use grandstand_common::record::Checkpoint;

use super::{Fate, Owned, Pending, RETRY, Shared, Stage};
use crate::command::{Command, Outcome};

impl Owned {
    /// The first entry that no stored snapshot covers.
    fn covered_to(&self) -> u64 {
        let first = self.uncovered.first();
        first.map_or(self.next_seq, |(seq, _)| *seq)
    }

    /// Writes the checkpoint if it can go on and was not written just now.
    pub(super) fn write_checkpoint(&mut self, cx: &mut Shared) {
        let releasing = self.stage == Stage::Releasing;
        if !(self.is_running() || releasing) || self.checkpoint_next.is_some() {
            return;
        }
        let next = Checkpoint {
            seq: self.covered_to().max(self.checkpoint.seq),
            ..self.checkpoint.clone()
        };
        let is_due = match self.checkpoint_retry {
            Some(at) => cx.now.at >= at,
            None => releasing || cx.now.at >= self.checkpoint_at,
        };
        if is_due && (next != self.checkpoint || self.checkpoint_due) {
            self.checkpoint_due = false;
            self.put_checkpoint(cx, &next, Pending::Checkpoint);
            self.checkpoint_next = Some(next);
        }
    }

    /// When the checkpoint is to be written.
    pub(super) fn checkpoint_timeout(&self) -> Option<Instant> {
        let runs = self.is_running() || self.stage == Stage::Releasing;
        let idle = self.checkpoint_next.is_none() && runs;
        let moved = self.covered_to() > self.checkpoint.seq || self.checkpoint_due;
        let at = self.checkpoint_retry.unwrap_or(self.checkpoint_at);
        (idle && moved).then_some(at)
    }

    pub(super) fn put_checkpoint(
        &mut self,
        cx: &mut Shared,
        checkpoint: &Checkpoint,
        pending: Pending,
    ) {
        self.checkpoint_at = cx.now.at + cx.config.checkpoint_interval;
        self.checkpoint_retry = None;
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

    pub(super) fn on_checkpoint_written(&mut self, cx: &mut Shared, outcome: Outcome) -> Fate {
        if let Outcome::Stored(revision) = outcome {
            self.checkpoint_revision = revision;
            if let Some(next) = self.checkpoint_next.take() {
                self.checkpoint.seq = next.seq.min(self.covered_to());
            }
            self.delete_keys(cx);
            return self.try_release(cx);
        }
        // A lost swap can be written over at once; what fails otherwise may go on failing.
        let after = match outcome {
            Outcome::Conflict => Duration::ZERO,
            _ => RETRY,
        };
        self.checkpoint_retry = Some(cx.now.at + after);
        let (bucket, key) = self.checkpoint_key();
        let token = cx.token(self.id, Pending::CheckpointBack);
        cx.commands.push_back(Command::Get { bucket, key, token });
        Fate::Held
    }

    pub(super) fn on_checkpoint_read_back(&mut self, cx: &mut Shared, outcome: Outcome) -> Fate {
        self.checkpoint_next = None;
        self.checkpoint_due = true;
        match outcome {
            Outcome::Value(entry) => {
                if is_of_later_epoch(entry.as_ref(), self.epoch) {
                    return Fate::Lost;
                }
                self.checkpoint_revision = entry.map_or(0, |entry| entry.revision);
                self.write_checkpoint(cx);
            }
            _ => self.checkpoint_retry = Some(cx.now.at + RETRY),
        }
        Fate::Held
    }

    /// Hands the partition over: no more entries, everything is written, then the checkpoint.
    pub(crate) fn release(&mut self, cx: &mut Shared) -> Fate {
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
            self.write_room(cx, &room);
            self.reschedule(cx, &room);
        }
        self.try_release(cx)
    }

    pub(super) fn try_release(&mut self, cx: &mut Shared) -> Fate {
        if self.stage != Stage::Releasing || !self.uncovered.is_empty() {
            return Fate::Held;
        }
        self.write_checkpoint(cx);
        let unwritten = self.checkpoint_next.is_some() || self.checkpoint_due;
        if unwritten || self.slots.values().any(|s| s.cover.busy.is_some()) {
            return Fate::Held;
        }
        Fate::Released
    }
}

/// Whether what is stored was written by a later owner.
pub(super) fn is_of_later_epoch(entry: Option<&KvEntry>, epoch: Epoch) -> bool {
    #[derive(serde::Deserialize)]
    struct Epoched {
        epoch: Epoch,
    }
    let value = entry.and_then(|entry| entry.value.as_ref());
    let epoched = value.and_then(|value| serde_json::from_slice::<Epoched>(value).ok());
    epoched.is_some_and(|e| e.epoch > epoch)
}
