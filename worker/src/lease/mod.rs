//! Which partitions this worker owns: a machine without clock or bus (D15 to D18).
//!
//! It is told what the watches of the buckets `workers` and `leases` show, what became of puts, look-ups and probes, and
//! when; it says what to do next. What it promises:
//!
//! * A lease changes by compare-and-swap only, and every owner's epoch is higher than that of the one before, so no two
//!   owners ever share an epoch, and whoever reads what they write and send can tell which counts.
//! * A lease is taken only if it is free, or after its holder's record was rewritten to `dead` in record of the very
//!   record that was last seen of it.
//! * A worker may act ([`LeaseMachine::may_act`]) until 2 s after its last acked renewal was sent, and not between a loss of
//!   its connection and the first renewal acked after that. Another counts its silence after 3 s of its own clock, which
//!   began later. So two workers may act for one partition only if their clocks run at different speeds by half, or if a
//!   worker lost its connection, has not noticed, and was found dead meanwhile because nobody answers for it; or if it
//!   stalls between the check and the send. Then the epoch decides, as above: edges drop what is of an older one, and
//!   its puts fail.
//! * Nobody is found dead because nobody answers for it unless two observers, connected to two servers, say so; where
//!   there is but one server, one observer. One whose route to another is cut says so of all who are behind it.
//! * A partition that nobody living owns is taken by the living worker with the highest weight in rendezvous hashing.
//!   An owner that another outweighs hands over: it stops, and releases the lease.

mod command;

mod record;

mod rendezvous;

mod own;

mod peers;

mod leases;

mod state;

mod decide;

pub use command::{
    GetOutcome, LeaseCommand, LeaseSettings, Observer, Probe, ProbeOutcome, PutOutcome, RecordKey,
};

use std::time::Instant;

use grandstand_common::bus::{KvEntry, SecondConnection};
use grandstand_common::id::{Epoch, Partition, WorkerId};
use grandstand_common::record::WorkerState;

use leases::{Ownership, PartitionLease};
use own::RecordEvent;
use state::LeaseState;

/// One worker's view of who owns what.
#[derive(Debug)]
pub struct LeaseMachine {
    state: LeaseState,
}

impl LeaseMachine {
    /// A machine that knows nothing yet.
    pub fn new(settings: LeaseSettings) -> Self {
        Self {
            state: LeaseState::new(settings),
        }
    }

    /// The worker's id.
    pub fn id(&self) -> &WorkerId {
        &self.state.own.id
    }

    /// Whether the worker may publish, append and put at `now`: to be asked right before it does.
    pub fn may_act(&self, now: Instant) -> bool {
        self.state.may_act(now)
    }

    /// The epoch under which the worker works on a partition, if it is its own.
    pub fn epoch(&self, partition: Partition) -> Option<Epoch> {
        self.state.leases.get(usize::from(partition.0))?.epoch()
    }

    /// How many partitions are the worker's.
    pub fn owned(&self) -> usize {
        self.state
            .leases
            .iter()
            .filter(|lease| lease.epoch().is_some())
            .count()
    }

    /// Whether every partition has an owner that is ready.
    pub fn is_settled(&self) -> bool {
        self.state.loaded && self.state.leases.iter().all(PartitionLease::is_ready)
    }

    /// The watch of `workers` shows an entry.
    pub fn handle_worker(&mut self, now: Instant, entry: &KvEntry) {
        self.state.changed = true;
        let Ok(id) = entry.key.parse::<WorkerId>() else {
            return;
        };
        if id != self.state.own.id {
            return self.state.peers.on_entry(now, id, entry);
        }
        let event = self.state.own.on_entry(entry);
        if event == RecordEvent::Seen {
            self.state.peers.on_own_renewal(now);
        }
        self.state.on_record_event(event);
    }

    /// The watch of `leases` shows an entry.
    pub fn handle_lease(&mut self, now: Instant, entry: &KvEntry) {
        self.state.changed = true;
        let Some((partition, lease)) =
            entry.key.parse().ok().map(Partition).and_then(|partition| {
                Some((
                    partition,
                    self.state.leases.get_mut(usize::from(partition.0))?,
                ))
            })
        else {
            return;
        };
        let change = lease.on_entry(&self.state.own.id, entry);
        if let Some(holder) = lease
            .stored
            .as_ref()
            .and_then(|lease| lease.worker.as_ref())
            && *holder != self.state.own.id
        {
            self.state.peers.on_named(now, holder);
        }
        self.state.on_change(partition, change);
    }

    /// Both watches have shown all that was there when they began.
    pub fn handle_loaded(&mut self) {
        self.state.changed = true;
        self.state.loaded = true;
    }

    /// The connection to the bus is there, or is lost. To be told at the start, too.
    pub fn handle_connection(&mut self, now: Instant, up: bool) {
        self.state.changed = true;
        self.state.peers.on_connection(now, up);
        if up {
            self.state.own.renew_now();
        } else {
            self.state.own.on_down(now);
        }
    }

    /// What became of a [`LeaseCommand::Put`].
    pub fn handle_put(&mut self, record: &RecordKey, outcome: PutOutcome) {
        self.state.changed = true;
        match record {
            RecordKey::Worker(id) if *id == self.state.own.id => {
                let event = self.state.own.on_put(outcome);
                self.state.on_record_event(event);
            }
            RecordKey::Worker(_) if matches!(outcome, PutOutcome::Stored(_)) => {
                // The watch shows it, with all that it says.
            }
            RecordKey::Worker(_) => self.state.push_get(record.clone()),
            RecordKey::Lease(partition) => {
                if let Some(lease) = self.state.leases.get_mut(usize::from(partition.0)) {
                    let change = lease.on_put(&self.state.own.id, outcome);
                    self.state.on_change(*partition, change);
                }
            }
        }
    }

    /// What a [`LeaseCommand::Get`] found.
    pub fn handle_get(&mut self, now: Instant, record: &RecordKey, outcome: &GetOutcome) {
        self.state.changed = true;
        match record {
            RecordKey::Worker(id) if *id == self.state.own.id => {
                let event = self.state.own.on_get(outcome);
                self.state.on_record_event(event);
            }
            RecordKey::Worker(id) => {
                match outcome {
                    GetOutcome::Found(entry) => self.state.peers.on_entry(now, id.clone(), entry),
                    GetOutcome::Missing => self.state.peers.on_missing(id),
                    GetOutcome::Failed => {}
                }
                if let Some(peer) = self.state.peers.all.get_mut(id) {
                    peer.marking = false;
                }
            }
            RecordKey::Lease(partition) => {
                if let Some(lease) = self.state.leases.get_mut(usize::from(partition.0)) {
                    let change = lease.on_get(&self.state.own.id, outcome);
                    self.state.on_change(*partition, change);
                }
            }
        }
    }

    /// What became of a [`LeaseCommand::Probe`].
    pub fn handle_probe(&mut self, now: Instant, probe: &Probe, outcome: ProbeOutcome) {
        self.state.changed = true;
        self.state
            .peers
            .on_probe(now, &self.state.own.id, probe, outcome);
    }

    /// Whether there is a second observer, and whether one is needed. Until this is said none is.
    pub fn handle_second_connection(&mut self, now: Instant, connection: SecondConnection) {
        self.state.changed = true;
        self.state.peers.on_second_connection(now, connection);
    }

    /// The worker has read the partition, and answers for it.
    pub fn handle_ready(&mut self, partition: Partition) {
        self.state.changed = true;
        let Some(lease) = self.state.leases.get_mut(usize::from(partition.0)) else {
            return;
        };
        if let Ownership::Owned { epoch, .. } = lease.ownership {
            lease.ownership = Ownership::Owned { epoch, ready: true };
        }
    }

    /// The worker has stopped working on the partition, and all its writes are answered.
    pub fn handle_stopped(&mut self, partition: Partition) {
        self.state.changed = true;
        let Some(lease) = self.state.leases.get_mut(usize::from(partition.0)) else {
            return;
        };
        if lease.epoch().is_some() {
            lease.ownership = Ownership::Stopped;
        }
    }

    /// The worker shall end: gives all away.
    pub fn handle_leave(&mut self) {
        self.state.changed = true;
        if self.state.own.state == WorkerState::Alive {
            self.state.own.state = WorkerState::Leaving;
            self.state.own.renew_now();
        }
    }

    /// The next thing to do. To be called after every `handle_*` and at [`poll_timeout`](Self::poll_timeout), until it
    /// says `None`.
    pub fn poll_command(&mut self, now: Instant, unix_ms: u64) -> Option<LeaseCommand> {
        self.state.poll_command(now, unix_ms)
    }

    /// When to call [`poll_command`](Self::poll_command) again if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.state.poll_timeout()
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod sim;
