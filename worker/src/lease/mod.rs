//! Decides which partitions this worker owns: a machine without clock or bus (D15 to D18).
//!
//! Its inputs are the watches of the buckets `workers` and `leases`, the outcomes of puts, gets and probes, and the time.
//! Its outputs are commands. It guarantees:
//!
//! * A lease changes by compare-and-swap only, and the epoch of each owner is higher than that of the owner before. So no
//!   two owners share an epoch, and every reader of their writes and messages can tell which are valid.
//! * A worker takes a lease only if it is free, or if its holder is marked as `dead`. That mark replaces the last seen
//!   revision of the holder's record, so that a renewed record is not marked.
//! * A worker may act ([`LeaseMachine::may_act`]) for 2 s after it sent its last acked renewal. After a loss of its
//!   connection it may act again when a later renewal is acked. Another worker marks it as dead after 3 s of silence by
//!   its own clock, which starts later. So two workers act for one partition only if their clocks differ in speed by half,
//!   if a worker has not noticed the loss of its connection and is marked as dead because its probes have no responders,
//!   or if a worker stalls between the check and the send. Then the epoch decides: edges drop messages with an older
//!   epoch, and puts of the older owner fail.
//! * Probes without responders mark a worker as dead only if two observers, connected to two servers, agree; if there is
//!   only one server, one observer. A server that has lost its route to another server has no responders for all workers
//!   behind that route.
//! * A free partition is taken by the living worker with the highest weight in rendezvous hashing. An owner that another
//!   worker outweighs hands its partition over: it stops, and releases the lease. Only workers that can run all rooms of
//!   the partition are weighed, unless none can (D34).
//! * A lease never needs less than before ([`LeaseMachine::handle_needs`]), and the worker is told what it needs only once
//!   that is stored.

mod command;

mod record;

mod rendezvous;

mod own;

mod peers;

mod leases;

mod state;

mod decide;

pub use command::{
    CarriedOver, GetOutcome, LeaseCommand, LeaseSettings, Observer, Probe, ProbeOutcome,
    PutOutcome, RecordKey,
};

use std::time::Instant;

use grandstand_common::bus::{KvEntry, SecondConnectionState};
use grandstand_common::id::{Epoch, Partition, WorkerId};
use grandstand_common::record::{GameVersions, StuckEntry, WorkerState};

pub use own::MAY_ACT_FOR;

use leases::{Ownership, PartitionLease};
use own::RecordEvent;
use state::LeaseState;

/// Decides which partitions one worker owns.
#[derive(Debug)]
pub struct LeaseMachine {
    state: LeaseState,
}

impl LeaseMachine {
    /// Creates a machine without any knowledge of records.
    pub fn new(settings: LeaseSettings) -> Self {
        Self {
            state: LeaseState::new(settings),
        }
    }

    /// The worker's id.
    pub fn id(&self) -> &WorkerId {
        &self.state.own.id
    }

    /// Whether the worker may publish, append and put at `now`. Call it directly before each of these.
    pub fn may_act(&self, now: Instant) -> bool {
        self.state.may_act(now)
    }

    /// The end of the time for which the worker may act, if no further renewal is acked; `None` if it may not act at all.
    pub fn may_act_until(&self) -> Option<Instant> {
        self.state.may_act_until()
    }

    /// The epoch of a partition that the worker owns; `None` for other partitions.
    pub fn epoch(&self, partition: Partition) -> Option<Epoch> {
        let index = self.state.index_of(partition)?;
        self.state.leases.get(index)?.epoch()
    }

    /// The number of owned partitions.
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

    /// Handles an entry of the watch of `workers`.
    pub fn handle_worker(&mut self, now: Instant, entry: &KvEntry) {
        self.state.changed = true;
        let Ok(id) = entry.key.parse::<WorkerId>() else {
            return;
        };
        if id != self.state.own.id {
            if self.state.peers.on_entry(now, id.clone(), entry) {
                self.state.push_get(RecordKey::Worker(id));
            }
            return;
        }
        let event = self.state.own.on_entry(entry);
        if event == RecordEvent::Seen {
            self.state.peers.on_own_renewal(now);
        }
        self.state.on_record_event(event);
    }

    /// Handles an entry of the watch of `leases`.
    pub fn handle_lease(&mut self, now: Instant, entry: &KvEntry) {
        self.state.changed = true;
        let Some(partition) = entry.key.parse().ok().map(Partition) else {
            return;
        };
        let Some(index) = self.state.index_of(partition) else {
            return;
        };
        let lease = &mut self.state.leases[index];
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

    /// Handles that both watches have delivered all entries that existed when they started.
    pub fn handle_loaded(&mut self) {
        self.state.changed = true;
        self.state.loaded = true;
    }

    /// Handles a new state of the connection to the bus. Must be called at the start as well.
    pub fn handle_connection(&mut self, now: Instant, up: bool) {
        self.state.changed = true;
        self.state.peers.on_connection(now, up);
        if up {
            self.state.own.renew_now();
            self.state.verify_at = Some(now);
        } else {
            self.state.verify_at = None;
            self.state.own.on_down(now);
            self.state
                .leases
                .iter_mut()
                .for_each(PartitionLease::on_down);
        }
    }

    /// Handles that the watch of `leases` has lost its position: the bucket may be another one, or have come back older
    /// (D23). The worker acts only once it has read its leases.
    pub fn handle_leases_lost(&mut self, now: Instant) {
        self.state.changed = true;
        self.state
            .leases
            .iter_mut()
            .for_each(PartitionLease::on_down);
        self.state.verify_at = Some(now);
    }

    /// Handles the outcome of a [`LeaseCommand::Put`].
    pub fn handle_put(&mut self, record: &RecordKey, outcome: PutOutcome) {
        self.state.changed = true;
        match record {
            RecordKey::Worker(id) if *id == self.state.own.id => {
                let event = self.state.own.on_put(outcome);
                self.state.on_record_event(event);
            }
            RecordKey::Worker(_) if matches!(outcome, PutOutcome::Stored(_)) => {
                // The watch delivers the record.
            }
            RecordKey::Worker(_) => self.state.push_get(record.clone()),
            RecordKey::Lease(partition) => {
                if let Some(index) = self.state.index_of(*partition) {
                    let lease = &mut self.state.leases[index];
                    let change = lease.on_put(&self.state.own.id, outcome);
                    self.state.on_change(*partition, change);
                }
            }
        }
    }

    /// Handles the outcome of a [`LeaseCommand::Get`].
    pub fn handle_get(&mut self, now: Instant, record: &RecordKey, outcome: &GetOutcome) {
        self.state.changed = true;
        match record {
            RecordKey::Worker(id) if *id == self.state.own.id => {
                let event = self.state.own.on_get(outcome);
                self.state.on_record_event(event);
            }
            RecordKey::Worker(id) => {
                match outcome {
                    GetOutcome::Found(entry) => {
                        if self.state.peers.on_read(now, id.clone(), entry) {
                            self.state.end(LeaseCommand::RolledBack);
                        }
                    }
                    GetOutcome::Missing => self.state.peers.on_missing(id),
                    GetOutcome::Failed => {}
                }
                if let Some(peer) = self.state.peers.all.get_mut(id) {
                    peer.marking = false;
                }
            }
            RecordKey::Lease(partition) => {
                if let Some(index) = self.state.index_of(*partition) {
                    let lease = &mut self.state.leases[index];
                    let change = lease.on_get(&self.state.own.id, outcome);
                    self.state.on_change(*partition, change);
                }
            }
        }
    }

    /// Handles the outcome of a [`LeaseCommand::Probe`].
    pub fn handle_probe(&mut self, now: Instant, probe: &Probe, outcome: ProbeOutcome) {
        self.state.changed = true;
        self.state
            .peers
            .on_probe(now, &self.state.own.id, probe, outcome);
    }

    /// Handles a new state of the second connection. Before the first call none is needed.
    pub fn handle_second_connection(&mut self, now: Instant, connection: SecondConnectionState) {
        self.state.changed = true;
        self.state.peers.on_second_connection(now, connection);
    }

    /// Handles an epoch of a partition that was seen outside of its lease: in a stored record, or from an edge. If the
    /// bucket of leases came back older, it may be higher than that of the lease (D23).
    pub fn handle_epoch(&mut self, partition: Partition, epoch: Epoch) {
        if let Some(index) = self.state.index_of(partition) {
            let lease = &mut self.state.leases[index];
            lease.on_epoch(epoch);
        }
    }

    /// The knowledge for the next machine: this id and the highest epochs.
    pub fn carried_over(&self) -> CarriedOver {
        CarriedOver {
            id: Some(self.state.own.id.clone()),
            epochs: self
                .state
                .settings
                .layout
                .all_partitions()
                .zip(self.state.leases.iter().map(PartitionLease::highest))
                .collect(),
        }
    }

    /// Handles that the worker has taken the partition over and serves it.
    pub fn handle_ready(&mut self, partition: Partition) {
        self.state.changed = true;
        let Some(index) = self.state.index_of(partition) else {
            return;
        };
        let lease = &mut self.state.leases[index];
        if let Ownership::Owned { epoch, .. } = lease.ownership {
            lease.ownership = Ownership::Owned { epoch, ready: true };
        }
    }

    /// Handles that the owned partition has rooms of these versions of games, or is to get some: its lease is to say so.
    /// [`LeaseCommand::Needs`] follows once that is stored.
    pub fn handle_needs(&mut self, partition: Partition, needs: &GameVersions) {
        self.state.changed = true;
        if let Some(index) = self.state.index_of(partition) {
            self.state.leases[index].want(needs);
        }
    }

    /// Handles that the worker has stopped serving the partition and that no write is in flight.
    pub fn handle_stopped(&mut self, partition: Partition) {
        self.state.changed = true;
        let Some(index) = self.state.index_of(partition) else {
            return;
        };
        let lease = &mut self.state.leases[index];
        if lease.epoch().is_some() {
            lease.ownership = Ownership::Stopped;
        }
    }

    /// Handles that the loop of the partition is stuck and may not act any more. The lease is released without a handover;
    /// `entry` is the one at which the loop got stuck, if it belongs to this partition.
    pub fn handle_stuck(&mut self, partition: Partition, entry: Option<StuckEntry>) {
        self.state.changed = true;
        if let Some(index) = self.state.index_of(partition) {
            self.state.leases[index].on_stuck(entry);
        }
    }

    /// Handles that another sender takes the place of the one at `index`.
    pub fn handle_sender(&mut self, index: usize, sender: WorkerId) {
        if let Some(earlier) = self.state.settings.senders.get_mut(index) {
            *earlier = sender;
        }
    }

    /// Starts to give all partitions away, because the worker is to end.
    pub fn handle_leave(&mut self) {
        self.state.changed = true;
        if self.state.own.state == WorkerState::Alive {
            self.state.own.state = WorkerState::Leaving;
            self.state.own.renew_now();
        }
    }

    /// The next command. Call it after every `handle_*` and at [`poll_timeout`](Self::poll_timeout), until it returns
    /// `None`.
    pub fn poll_command(&mut self, now: Instant, log_ms: u64) -> Option<LeaseCommand> {
        self.state.poll_command(now, log_ms)
    }

    /// The time to call [`poll_command`](Self::poll_command) again if no `handle_*` is called before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.state.poll_timeout()
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod sim;
