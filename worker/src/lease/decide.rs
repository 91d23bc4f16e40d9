//! Decides the next command: renew, take, give away, mark dead.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use grandstand_common::id::{Epoch, Partition, WorkerId};
use grandstand_common::record::{GameVersions, Lease, WorkerRecord, WorkerState, satisfies};

use super::command::{LeaseCommand, RecordKey};
use super::leases::{Ownership, PartitionLease};
use super::record::{self, encode};
use super::rendezvous;
use super::state::LeaseState;

/// The pause before leases whose get failed are read again.
const VERIFY_RETRY: Duration = Duration::from_millis(100);

/// The number of partitions that a worker hands over at a time. The fewer are handed over together, the sooner each has
/// its successor.
const GIVEN_AT_ONCE: usize = 2;

/// The time for which the record of a dead worker is kept for operators, by the clock of the bus, milliseconds.
const KEPT_MS: u64 = 600_000;

/// The interval of searches for records that are older than [`KEPT_MS`].
const DELETE_EVERY: Duration = Duration::from_secs(60);

impl LeaseState {
    /// The next command. Must be called after every event and at [`poll_timeout`](Self::poll_timeout), until it returns
    /// `None`.
    pub(super) fn poll_command(&mut self, now: Instant, log_ms: u64) -> Option<LeaseCommand> {
        if self.decide_at.is_some_and(|decide_at| now >= decide_at) {
            self.changed = true;
        }
        while self.changed && self.commands.is_empty() && !self.ended {
            self.changed = false;
            self.decide(now, log_ms);
            self.decide_at = self.next_timeout(now);
        }
        self.commands.pop_front()
    }

    /// The time to call [`poll_command`](Self::poll_command) again if there is no event before.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.decide_at.filter(|_| !self.ended)
    }

    fn next_timeout(&self, now: Instant) -> Option<Instant> {
        let may_act = self.own.may_act(now);
        let others = self.peers.next_timeout().filter(|_| may_act && self.loaded);
        let own = [
            self.own.next_renewal(),
            self.own.may_act_until().filter(|_| may_act),
            self.verify_at,
        ];
        own.into_iter().chain([others]).flatten().min()
    }

    fn decide(&mut self, now: Instant, log_ms: u64) {
        if let Some((value, expected)) = self.own.renew(now) {
            let record = RecordKey::Worker(self.own.id.clone());
            self.push_put(record, value, expected);
        }
        self.verify(now);
        if !self.loaded || !self.may_act(now) {
            return;
        }
        self.mark_dead(now);
        self.probe(now);
        self.delete_old_records(now, log_ms);
        self.move_partitions(now, log_ms);
        self.leave();
    }

    /// Reads the leases of owned partitions after a reconnect, because their bucket may have come back older (D23). Until
    /// all are read the worker does not act.
    fn verify(&mut self, now: Instant) {
        if self.verify_at.is_none_or(|at| now < at) {
            return;
        }
        for (index, lease) in self.leases.iter_mut().enumerate() {
            if lease.verify() {
                let record = RecordKey::Lease(self.settings.layout.partition(index));
                self.commands.push_back(LeaseCommand::Get { record });
            }
        }
        let left = self.leases.iter().any(PartitionLease::is_unverified);
        self.verify_at = left.then_some(now + VERIFY_RETRY);
    }

    /// Marks workers as dead by compare-and-swap.
    fn mark_dead(&mut self, now: Instant) {
        for id in self.peers.next_dead(now, self.settings.alone) {
            let peer = &self.peers.all[&id];
            let record = WorkerRecord {
                state: WorkerState::Dead,
                beat: peer.record.as_ref().map_or(0, |record| record.beat),
                build: peer
                    .record
                    .as_ref()
                    .map_or_else(String::new, |record| record.build.clone()),
                follows_layout: false,
                games: GameVersions::new(),
            };
            let expected = peer.revision;
            self.push_put(RecordKey::Worker(id), encode(&record), expected);
        }
    }

    fn probe(&mut self, now: Instant) {
        let probes = self.peers.next_probes(now, &self.own.id);
        self.commands
            .extend(probes.into_iter().map(LeaseCommand::Probe));
    }

    /// Deletes old records of dead workers. Only the worker that should own the first partition does so.
    fn delete_old_records(&mut self, now: Instant, log_ms: u64) {
        if self.delete_at.is_some_and(|at| now < at) {
            return;
        }
        self.delete_at = Some(now + DELETE_EVERY);
        let named: BTreeSet<_> = self.leases.iter().filter_map(holder).cloned().collect();
        self.peers.forget_deleted(&named);
        if !self.should_own(self.settings.layout.partition(0)) {
            return;
        }
        for (id, peer) in &self.peers.all {
            let old = peer.time_ms.saturating_add(KEPT_MS) < log_ms;
            if peer.state == WorkerState::Dead
                && peer.record.is_some()
                && old
                && !named.contains(id)
            {
                self.commands.push_back(LeaseCommand::Delete {
                    record: RecordKey::Worker(id.clone()),
                    expected: peer.revision,
                });
            }
        }
    }

    /// Takes free partitions, gives surplus ones away, and stores which are ready or released.
    fn move_partitions(&mut self, now: Instant, log_ms: u64) {
        let mut may_give = self.may_give(now);
        for index in 0..self.leases.len() {
            let partition = self.settings.layout.partition(index);
            let should = self.should_own(partition);
            let free = self.is_free(index);
            let own = self.own.id.clone();
            let sender = self.sender(partition);
            let lease = &mut self.leases[index];
            if lease.busy {
                continue;
            }
            let stored = lease.stored.as_ref();
            let wanted = match lease.ownership {
                Ownership::NotOwned if free && should => {
                    record::lease(Some(&own), lease.highest().next(log_ms), false)
                }
                Ownership::Owned { epoch, ready }
                    if !should && (ready || self.own.state != WorkerState::Alive) =>
                {
                    if may_give == 0 {
                        continue;
                    }
                    may_give -= 1;
                    lease.ownership = Ownership::Stopping { epoch };
                    lease.given = Some(now);
                    self.commands
                        .push_back(LeaseCommand::Stop { partition, epoch });
                    continue;
                }
                Ownership::Owned { epoch, ready: true }
                    if stored.is_some_and(|lease| !lease.ready) =>
                {
                    record::lease(Some(&own), epoch, true)
                }
                Ownership::Owned { epoch, .. } | Ownership::Stopping { epoch }
                    if lease.lacks_needs() =>
                {
                    let is_ready = stored.is_some_and(|lease| lease.ready);
                    record::lease(Some(&own), epoch, is_ready)
                }
                Ownership::Stopped => {
                    let epoch = stored.map_or(Epoch::default(), |lease| lease.epoch);
                    record::lease(None, epoch, false)
                }
                _ => continue,
            };
            let wanted = Lease {
                sender: sender.filter(|_| wanted.worker.is_some()),
                stuck: lease.stuck(),
                needs: lease.needs(),
                ..wanted
            };
            let value = encode(&wanted);
            let expected = lease.revision;
            lease.busy = true;
            lease.put = Some(wanted);
            self.push_put(RecordKey::Lease(partition), value, expected);
        }
    }

    /// The number of partitions that may be given away now. Without a successor, waiting for one is of no use.
    fn may_give(&self, now: Instant) -> usize {
        let mut peers = self.peers.all.values();
        if !peers.any(|peer| peer.state == WorkerState::Alive) {
            return usize::MAX;
        }
        let moving = self.leases.iter().filter(|lease| lease.is_moving(now));
        GIVEN_AT_ONCE.saturating_sub(moving.count())
    }

    /// Ends a leaving worker that owns nothing any more: stores its record as dead, then ends the machine.
    fn leave(&mut self) {
        let holds = |lease: &PartitionLease| lease.ownership != Ownership::NotOwned || lease.busy;
        if self.own.state == WorkerState::Alive || self.leases.iter().any(holds) {
            return;
        }
        if self.own.state == WorkerState::Leaving {
            self.own.state = WorkerState::Dead;
            self.own.renew_now();
            self.changed = true;
        } else if self.own.stored == Some(WorkerState::Dead) {
            self.end(LeaseCommand::Left);
        }
    }

    /// Whether this worker has the highest weight for the partition, of the living workers that can run all of its rooms.
    /// If none can, all living ones count.
    fn should_own(&self, partition: Partition) -> bool {
        let lease = self.index_of(partition).map(|index| &self.leases[index]);
        let needs = lease.and_then(PartitionLease::stored_needs);
        let able = |games: &GameVersions| needs.is_none_or(|needs| satisfies(games, needs));
        let own = (self.own.state == WorkerState::Alive).then_some((&self.own.id, &self.own.games));
        let living = self.peers.all.iter().filter_map(|(id, peer)| {
            let is_alive = peer.state == WorkerState::Alive && peer.revision > 0;
            let record = peer.record.as_ref().filter(|_| is_alive)?;
            Some((id, &record.games))
        });
        let living = living.chain(own);
        let all_able = living.clone().filter(|(_, games)| able(games));
        let owner = rendezvous::owner(partition, all_able.map(|(id, _)| id));
        let owner = owner.or_else(|| rendezvous::owner(partition, living.map(|(id, _)| id)));
        owner == Some(&self.own.id)
    }

    /// Whether the lease has no holder, or one that is marked as dead. A partition whose rooms are being moved is not
    /// free (D33).
    fn is_free(&self, index: usize) -> bool {
        let stored = self.leases[index].stored.as_ref();
        if stored.is_some_and(|lease| lease.moved) {
            return false;
        }
        match holder(&self.leases[index]) {
            None => true,
            Some(id) => self
                .peers
                .all
                .get(id)
                .is_some_and(|peer| peer.state == WorkerState::Dead && peer.revision > 0),
        }
    }

    fn push_put(&mut self, record: RecordKey, value: bytes::Bytes, expected: u64) {
        self.commands.push_back(LeaseCommand::Put {
            record,
            value,
            expected,
        });
    }
}

/// The worker in the stored lease.
fn holder(lease: &PartitionLease) -> Option<&WorkerId> {
    lease.stored.as_ref()?.worker.as_ref()
}
