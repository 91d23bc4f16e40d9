//! The state of the lease machine, and the effects of events on it.

use std::collections::VecDeque;
use std::time::Instant;

use grandstand_common::id::{Epoch, Partition, WorkerId};

use super::command::{LeaseCommand, LeaseSettings, RecordKey};
use super::leases::{LeaseChange, Ownership, PartitionLease};
use super::own::{OwnRecord, RecordEvent};
use super::peers::Peers;

/// The state of the lease machine.
#[derive(Debug)]
pub(super) struct LeaseState {
    pub(super) settings: LeaseSettings,
    pub(super) own: OwnRecord,
    pub(super) peers: Peers,
    pub(super) leases: Vec<PartitionLease>,
    /// Whether both watches have delivered all entries that existed when they started.
    pub(super) loaded: bool,
    /// The time of the next search for old records of dead workers.
    pub(super) delete_at: Option<Instant>,
    /// Whether the last command was issued.
    pub(super) ended: bool,
    /// Whether there was an event after the last decision.
    pub(super) changed: bool,
    /// The time of the next get of leases that may be gone since the connection was lost.
    pub(super) verify_at: Option<Instant>,
    /// The time of the next decision if there is no event before.
    pub(super) decide_at: Option<Instant>,
    pub(super) commands: VecDeque<LeaseCommand>,
}

impl LeaseState {
    pub(super) fn new(settings: LeaseSettings) -> Self {
        Self {
            own: OwnRecord::new(
                settings.id.clone(),
                settings.build.clone(),
                settings.games.clone(),
            ),
            peers: Peers::new(settings.carried_over.id.clone()),
            leases: settings
                .layout
                .all_partitions()
                .map(|p| PartitionLease::above(settings.carried_over.epochs.get(&p).copied()))
                .collect(),
            loaded: false,
            delete_at: None,
            ended: false,
            changed: true,
            verify_at: None,
            decide_at: None,
            commands: VecDeque::new(),
            settings,
        }
    }

    /// The index of a partition's lease; `None` for a partition of another layout.
    pub(super) fn index_of(&self, partition: Partition) -> Option<usize> {
        self.settings.layout.index_of(partition)
    }

    /// Whether the worker may publish, append and put at `now`.
    pub(super) fn may_act(&self, now: Instant) -> bool {
        self.may_act_until().is_some_and(|until| now < until)
    }

    /// The end of the time for which the worker may act, if no further renewal is acked. The bound itself is excluded,
    /// because other workers may mark this one as dead from then on.
    pub(super) fn may_act_until(&self) -> Option<Instant> {
        let is_verified = || !self.leases.iter().any(PartitionLease::is_unverified);
        let until = self.own.may_act_until().filter(|_| !self.ended)?;
        is_verified().then_some(until)
    }

    pub(super) fn on_record_event(&mut self, event: RecordEvent) {
        match event {
            RecordEvent::Nothing | RecordEvent::Renewed | RecordEvent::Seen => {}
            RecordEvent::Unknown => self.push_get(RecordKey::Worker(self.own.id.clone())),
            RecordEvent::Dead => self.end(LeaseCommand::Dead),
            RecordEvent::RolledBack => self.end(LeaseCommand::RolledBack),
        }
    }

    pub(super) fn on_change(&mut self, partition: Partition, change: LeaseChange) {
        match change {
            LeaseChange::Nothing => {}
            LeaseChange::Unknown => self.push_get(RecordKey::Lease(partition)),
            LeaseChange::Taken(epoch) => self.start(partition, epoch),
            LeaseChange::RolledBack => self.end(LeaseCommand::RolledBack),
            LeaseChange::Lost => self.commands.push_back(LeaseCommand::Lost { partition }),
            LeaseChange::Retaken(epoch) => {
                self.commands.push_back(LeaseCommand::Lost { partition });
                self.start(partition, epoch);
            }
        }
        self.tell_needs(partition);
    }

    /// Tells what an owned partition needs, if that has changed since it was told.
    fn tell_needs(&mut self, partition: Partition) {
        let Some(index) = self.index_of(partition).filter(|_| !self.ended) else {
            return;
        };
        if let Some((epoch, needs)) = self.leases[index].take_needs() {
            self.commands.push_back(LeaseCommand::Needs {
                partition,
                epoch,
                needs,
            });
        }
    }

    fn start(&mut self, partition: Partition, epoch: Epoch) {
        let index = self.index_of(partition);
        if let Some(index) = index {
            self.leases[index].begin();
        }
        let stored = index.and_then(|index| self.leases[index].stored.as_ref());
        let stuck = stored.map_or_else(Vec::new, |lease| lease.stuck.clone());
        self.commands.push_back(LeaseCommand::Start {
            partition,
            epoch,
            stuck,
        });
    }

    /// The sender of batches about a partition's rooms, if it is not this worker's id.
    pub(super) fn sender(&self, partition: Partition) -> Option<WorkerId> {
        let senders = &self.settings.senders;
        let sender = senders.get(usize::from(partition.0) % senders.len().max(1));
        sender.filter(|sender| **sender != self.own.id).cloned()
    }

    pub(super) fn push_get(&mut self, record: RecordKey) {
        self.commands.push_back(LeaseCommand::Get { record });
    }

    /// Ends the machine with a last command, in place of all pending ones.
    pub(super) fn end(&mut self, how: LeaseCommand) {
        if !self.ended {
            self.ended = true;
            self.commands.clear();
            self.commands.push_back(how);
            self.leases
                .iter_mut()
                .for_each(|lease| lease.ownership = Ownership::NotOwned);
        }
    }
}
