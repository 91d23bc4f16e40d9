//! One worker's view of who owns what.

use std::collections::VecDeque;
use std::time::Instant;

use grandstand_common::id::Partition;

use super::command::{LeaseCommand, LeaseSettings, RecordKey};
use super::leases::{Hold, LeaseChange, PartitionLease};
use super::own::{Heard, OwnRecord};
use super::peers::Peers;

/// One worker's view of who owns what.
#[derive(Debug)]
pub(super) struct LeaseState {
    pub(super) settings: LeaseSettings,
    pub(super) own: OwnRecord,
    pub(super) peers: Peers,
    pub(super) leases: Vec<PartitionLease>,
    /// The watches have shown all that there was.
    pub(super) loaded: bool,
    /// When to look again whose records are old.
    pub(super) forget_at: Option<Instant>,
    pub(super) over: bool,
    /// Something was heard since it was last decided what to do.
    pub(super) changed: bool,
    /// When to decide anew.
    pub(super) wake: Option<Instant>,
    pub(super) commands: VecDeque<LeaseCommand>,
}

impl LeaseState {
    /// Knows nothing yet.
    pub(super) fn new(settings: LeaseSettings) -> Self {
        Self {
            own: OwnRecord::new(settings.id.clone(), settings.build.clone()),
            peers: Peers::default(),
            leases: (0..settings.partitions)
                .map(|_| PartitionLease::default())
                .collect(),
            loaded: false,
            forget_at: None,
            over: false,
            changed: true,
            wake: None,
            commands: VecDeque::new(),
            settings,
        }
    }

    /// Whether the worker may publish, append and put at `now`.
    pub(super) fn may_act(&self, now: Instant) -> bool {
        !self.over && self.own.may_act(now)
    }

    pub(super) fn on_heard(&mut self, heard: Heard) {
        match heard {
            Heard::Nothing | Heard::Renewed | Heard::Seen => {}
            Heard::Look => self.look(RecordKey::Worker(self.own.id.clone())),
            Heard::Dead => self.end(LeaseCommand::Dead),
        }
    }

    pub(super) fn on_change(&mut self, partition: Partition, change: LeaseChange) {
        match change {
            LeaseChange::Nothing => {}
            LeaseChange::Look => self.look(RecordKey::Lease(partition)),
            LeaseChange::Taken(epoch) => self
                .commands
                .push_back(LeaseCommand::Start { partition, epoch }),
            LeaseChange::Lost => self.commands.push_back(LeaseCommand::Lost { partition }),
            LeaseChange::Retaken(epoch) => {
                self.commands.push_back(LeaseCommand::Lost { partition });
                self.commands
                    .push_back(LeaseCommand::Start { partition, epoch });
            }
        }
    }

    pub(super) fn look(&mut self, place: RecordKey) {
        self.commands.push_back(LeaseCommand::Look { place });
    }

    /// The last command.
    pub(super) fn end(&mut self, how: LeaseCommand) {
        if !self.over {
            self.over = true;
            self.commands.clear();
            self.commands.push_back(how);
            self.leases.iter_mut().for_each(|slot| slot.hold = Hold::No);
        }
    }
}
