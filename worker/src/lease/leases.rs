//! The leases of all partitions, and which of them this worker owns.

use std::time::{Duration, Instant};

use grandstand_common::bus::KvEntry;
use grandstand_common::id::{Epoch, WorkerId};
use grandstand_common::record::{GameVersions, Lease, StuckEntry, raise};

use super::command::{GetOutcome, PutOutcome};
use super::record::decode;

/// The time for which a released partition without a ready successor counts as being handed over.
const GIVEN_FOR: Duration = Duration::from_secs(1);

/// The most entries in a lease at which loops got stuck.
const MAX_STUCK: usize = 8;

/// The lease of a partition, as stored and as this worker owns it.
#[derive(Debug, Default)]
pub(super) struct PartitionLease {
    /// The last known stored lease.
    pub(super) stored: Option<Lease>,
    /// The revision of `stored`; 0 if there is none.
    pub(super) revision: u64,
    pub(super) ownership: Ownership,
    /// The lease of the put in flight.
    pub(super) put: Option<Lease>,
    /// Whether a put, or a get of its result, is in flight.
    pub(super) busy: bool,
    /// The time when this worker last began to give the partition away.
    pub(super) given: Option<Instant>,
    /// The highest epoch of the partition that was seen anywhere. The next one is higher, even if the bucket came back
    /// without it (D23).
    highest: Epoch,
    /// Whether the connection was lost since the lease was last written or read.
    unverified: bool,
    /// The last entry at which this worker's loop got stuck, with the number of times to store in the lease.
    stuck: Option<StuckEntry>,
    /// The versions of its rooms' games that this worker has asked the lease to name.
    wanted: GameVersions,
    /// The versions that the lease was told to name, since this worker owns the partition.
    told: GameVersions,
}

/// Whether this worker owns a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Ownership {
    /// Another worker owns the partition, or none.
    #[default]
    NotOwned,
    /// This worker owns the partition.
    Owned { epoch: Epoch, ready: bool },
    /// This worker owns the partition and stops serving it, to give it away.
    Stopping { epoch: Epoch },
    /// This worker has stopped serving the partition and must release the lease.
    Stopped,
}

/// The effect of an event on the ownership of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseChange {
    /// The ownership is the same.
    Nothing,
    /// The result of a put is unknown, so the lease must be read.
    Unknown,
    /// This worker owns the partition from now on.
    Taken(Epoch),
    /// This worker does not own the partition any more.
    Lost,
    /// This worker owns the partition, but with another epoch than before.
    Retaken(Epoch),
    /// The bucket came back in an older state than it had acked (D23).
    RolledBack,
}

impl PartitionLease {
    /// The epoch of the partition while this worker owns it.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        match self.ownership {
            Ownership::Owned { epoch, .. } | Ownership::Stopping { epoch } => Some(epoch),
            Ownership::NotOwned | Ownership::Stopped => None,
        }
    }

    /// Whether this worker is giving the partition away, or has done so within [`GIVEN_FOR`] and no successor is ready.
    pub(super) fn is_moving(&self, now: Instant) -> bool {
        let is_waiting = |given| now < given + GIVEN_FOR && !self.is_ready();
        matches!(
            self.ownership,
            Ownership::Stopping { .. } | Ownership::Stopped
        ) || (self.ownership == Ownership::NotOwned && self.given.is_some_and(is_waiting))
    }

    /// Whether the partition has an owner that is ready.
    pub(super) fn is_ready(&self) -> bool {
        self.stored.as_ref().is_some_and(|lease| lease.ready)
    }

    /// A lease that is not known yet. Its next epoch is above `highest`.
    pub(super) fn above(highest: Option<Epoch>) -> Self {
        Self {
            highest: highest.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Notes an epoch of the partition that is stored or was seen elsewhere.
    pub(super) fn on_epoch(&mut self, epoch: Epoch) {
        self.highest = self.highest.max(epoch);
    }

    /// The highest epoch of the partition that was seen.
    pub(super) fn highest(&self) -> Epoch {
        self.highest
    }

    /// Handles a loop that got stuck in the partition: the lease is released without a handover.
    pub(super) fn on_stuck(&mut self, entry: Option<StuckEntry>) {
        if self.epoch().is_none() {
            return;
        }
        self.ownership = Ownership::Stopped;
        if let Some(entry) = entry {
            let mut known = self.stuck().into_iter();
            let times = known.find(|known| is_same(known, &entry));
            let times = times.map_or(0, |known| known.times).saturating_add(1);
            self.stuck = Some(StuckEntry { times, ..entry });
        }
    }

    /// The entries at which loops got stuck, for the next put of the lease.
    pub(super) fn stuck(&self) -> Vec<StuckEntry> {
        let stored = self.stored.as_ref();
        let mut all = stored.map_or_else(Vec::new, |lease| lease.stuck.clone());
        if let Some(new) = &self.stuck {
            match all.iter_mut().find(|old| is_same(old, new)) {
                Some(old) => old.times = old.times.max(new.times),
                None => all.push(new.clone()),
            }
        }
        let surplus = all.len().saturating_sub(MAX_STUCK);
        all.drain(..surplus);
        all
    }

    /// The versions that the stored lease needs.
    pub(super) fn stored_needs(&self) -> Option<&GameVersions> {
        self.stored.as_ref().map(|lease| &lease.needs)
    }

    /// The versions of its rooms' games that the next put of the lease names.
    pub(super) fn needs(&self) -> GameVersions {
        let mut needs = self.stored_needs().cloned().unwrap_or_default();
        raise(&mut needs, &self.wanted);
        needs
    }

    /// Whether the stored lease needs less than this worker has asked for.
    pub(super) fn lacks_needs(&self) -> bool {
        let none = GameVersions::new();
        let stored = self.stored_needs().unwrap_or(&none);
        let is_lower =
            |(game, version): (&String, &u32)| stored.get(game).is_none_or(|known| known < version);
        self.wanted.iter().any(is_lower)
    }

    /// Asks the lease to need these versions.
    pub(super) fn want(&mut self, needs: &GameVersions) {
        if self.epoch().is_some() {
            raise(&mut self.wanted, needs);
        }
    }

    /// Forgets what was told of an earlier ownership.
    pub(super) fn begin(&mut self) {
        self.wanted.clear();
        self.told.clear();
    }

    /// Returns what the stored lease of an owned partition needs, with its epoch, if that has changed.
    pub(super) fn take_needs(&mut self) -> Option<(Epoch, GameVersions)> {
        let epoch = self.epoch()?;
        let needs = self.stored.as_ref()?.needs.clone();
        if needs == self.told {
            return None;
        }
        self.told.clone_from(&needs);
        Some((epoch, needs))
    }

    /// Handles an entry of the watch. A watch that was opened again may deliver an older one than is known, because the
    /// server is behind or because the bucket came back older. A get tells which.
    pub(super) fn on_entry(&mut self, own: &WorkerId, entry: &KvEntry) -> LeaseChange {
        if entry.revision > self.revision {
            return self.on_stored(own, entry);
        }
        if entry.revision < self.revision && !std::mem::replace(&mut self.busy, true) {
            LeaseChange::Unknown
        } else {
            LeaseChange::Nothing
        }
    }

    /// Handles a loss of the connection: the bucket may come back older.
    pub(super) fn on_down(&mut self) {
        self.unverified = true;
    }

    /// Whether the partition is owned by a lease that may be gone since the connection was lost.
    pub(super) fn is_unverified(&self) -> bool {
        self.unverified && self.epoch().is_some()
    }

    /// Starts a get of an unverified lease, unless one or a put is in flight. Returns whether it did.
    pub(super) fn verify(&mut self) -> bool {
        self.is_unverified() && !std::mem::replace(&mut self.busy, true)
    }

    fn on_stored(&mut self, own: &WorkerId, entry: &KvEntry) -> LeaseChange {
        self.revision = entry.revision;
        self.unverified = false;
        self.stored = entry.value.as_ref().and_then(decode::<Lease>);
        if entry.value.is_some() && self.stored.is_none() {
            tracing::error!(
                key = entry.key,
                "a stored lease cannot be read: the partition counts as free"
            );
        }
        self.settle(own)
    }

    pub(super) fn on_put(&mut self, own: &WorkerId, outcome: PutOutcome) -> LeaseChange {
        match outcome {
            PutOutcome::Stored(revision) => {
                self.busy = false;
                self.unverified = false;
                let stored = self.put.take();
                // The watch may have delivered this lease already, or a later one.
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
        self.unverified &= *outcome == GetOutcome::Failed;
        match outcome {
            // A get is never older than what was acked, and leases are never deleted.
            GetOutcome::Found(entry) if entry.revision < self.revision => LeaseChange::RolledBack,
            GetOutcome::Missing if self.revision > 0 => LeaseChange::RolledBack,
            GetOutcome::Found(entry) if entry.revision > self.revision => {
                self.on_stored(own, entry)
            }
            GetOutcome::Found(_) | GetOutcome::Missing | GetOutcome::Failed => LeaseChange::Nothing,
        }
    }

    /// Updates the ownership by the stored lease.
    fn settle(&mut self, own: &WorkerId) -> LeaseChange {
        if let Some(lease) = &self.stored {
            self.highest = self.highest.max(lease.epoch);
        }
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

fn is_same(a: &StuckEntry, b: &StuckEntry) -> bool {
    (&a.room, a.seq, a.time_ms) == (&b.room, b.seq, b.time_ms)
}
