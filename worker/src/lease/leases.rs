//! What the worker does about each partition.

use std::time::{Duration, Instant};

use grandstand_common::bus::KvEntry;
use grandstand_common::id::{Epoch, WorkerId};
use grandstand_common::record::Lease;

use super::command::{GetOutcome, PutOutcome};
use super::record::decode;

/// For how long a partition that was given away counts as under way, if no successor says that it is ready.
const GIVEN_FOR: Duration = Duration::from_secs(1);

/// A partition: its lease as it is known, and what this worker has to do with it.
#[derive(Debug, Default)]
pub(super) struct PartitionLease {
    pub(super) stored: Option<Lease>,
    /// Of the lease; 0 if there is none.
    pub(super) revision: u64,
    pub(super) ownership: Ownership,
    /// What is to be stored; `None` while nothing is.
    pub(super) put: Option<Lease>,
    /// A put or a look at what became of it is under way.
    pub(super) busy: bool,
    /// When it was last given away.
    pub(super) given: Option<Instant>,
}

/// What this worker has to do with a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Ownership {
    /// It is another's, or nobody's.
    #[default]
    NotOwned,
    /// It is this worker's.
    Owned { epoch: Epoch, ready: bool },
    /// It is this worker's, which stops working on it so as to give it away.
    Stopping { epoch: Epoch },
    /// The worker has stopped, and its lease is yet to be released.
    Stopped,
}

/// What an event means for the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseChange {
    /// Nothing.
    Nothing,
    /// It must be looked up what became of a put.
    Unknown,
    /// It is this worker's now.
    Taken(Epoch),
    /// It is not this worker's any more.
    Lost,
    /// It is this worker's, but under another epoch than it thought.
    Retaken(Epoch),
}

impl PartitionLease {
    /// The epoch under which the worker works on it.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        match self.ownership {
            Ownership::Owned { epoch, .. } | Ownership::Stopping { epoch } => Some(epoch),
            Ownership::NotOwned | Ownership::Stopped => None,
        }
    }

    /// Whether this worker is giving it away, or has just now and nobody answers for it yet.
    pub(super) fn is_moving(&self, now: Instant) -> bool {
        let is_waiting = |given| now < given + GIVEN_FOR && !self.is_ready();
        matches!(
            self.ownership,
            Ownership::Stopping { .. } | Ownership::Stopped
        ) || (self.ownership == Ownership::NotOwned && self.given.is_some_and(is_waiting))
    }

    /// Whether it has an owner that is ready.
    pub(super) fn is_ready(&self) -> bool {
        self.stored.as_ref().is_some_and(|lease| lease.ready)
    }

    /// What the bucket has of the lease.
    pub(super) fn on_entry(&mut self, own: &WorkerId, entry: &KvEntry) -> LeaseChange {
        if entry.revision <= self.revision {
            return LeaseChange::Nothing;
        }
        self.revision = entry.revision;
        self.stored = entry.value.as_ref().and_then(decode::<Lease>);
        self.settle(own)
    }

    pub(super) fn on_put(&mut self, own: &WorkerId, outcome: PutOutcome) -> LeaseChange {
        match outcome {
            PutOutcome::Stored(revision) => {
                self.busy = false;
                let stored = self.put.take();
                // The watch may have shown it already, or even what came after it.
                if revision > self.revision {
                    self.revision = revision;
                    self.stored = stored;
                }
                self.settle(own)
            }
            PutOutcome::Conflict | PutOutcome::Unknown => LeaseChange::Unknown,
        }
    }

    pub(super) fn on_get(&mut self, own: &WorkerId, outcome: &GetOutcome) -> LeaseChange {
        self.busy = false;
        self.put = None;
        match outcome {
            GetOutcome::Found(entry) => self.on_entry(own, entry),
            GetOutcome::Missing | GetOutcome::Failed => LeaseChange::Nothing,
        }
    }

    /// What the lease as it is now means. What is stored counts, not what was meant to be.
    fn settle(&mut self, own: &WorkerId) -> LeaseChange {
        let mine = self
            .stored
            .as_ref()
            .filter(|lease| lease.worker.as_ref() == Some(own));
        match (mine, self.ownership) {
            (Some(lease), Ownership::NotOwned) => {
                self.ownership = Ownership::Owned {
                    epoch: lease.epoch,
                    ready: lease.ready,
                };
                LeaseChange::Taken(lease.epoch)
            }
            (Some(lease), Ownership::Owned { epoch, .. } | Ownership::Stopping { epoch })
                if lease.epoch == epoch =>
            {
                LeaseChange::Nothing
            }
            (Some(_), Ownership::Stopped) => LeaseChange::Nothing,
            (None, Ownership::NotOwned) => LeaseChange::Nothing,
            (None, Ownership::Stopped) => {
                self.ownership = Ownership::NotOwned;
                LeaseChange::Nothing
            }
            (Some(lease), Ownership::Owned { .. } | Ownership::Stopping { .. }) => {
                self.ownership = Ownership::Owned {
                    epoch: lease.epoch,
                    ready: lease.ready,
                };
                LeaseChange::Retaken(lease.epoch)
            }
            (None, Ownership::Owned { .. } | Ownership::Stopping { .. }) => {
                self.ownership = Ownership::NotOwned;
                LeaseChange::Lost
            }
        }
    }
}
