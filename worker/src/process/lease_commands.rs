//! Executes the lease machine's commands, and handles what room loops report.

use grandstand_common::bus::{Bucket, PublishError};
use grandstand_common::subject;

use super::answers::{LeaseAnswer, PROBE_DEADLINE, lease_get, lease_put, probe_outcome};
use super::end::End;
use super::lease_loop::LeaseLoop;
use super::orders::{LoopReport, Order};
use super::room_loops::{STUCK_AFTER, StuckLoop};
use super::settings::WorkerError;
use super::time::now;
use crate::lease::{LeaseCommand, Observer, Probe, RecordKey};

impl LeaseLoop<'_> {
    /// Executes all commands of the lease machine. Returns the last one, if any, as the end of the worker.
    pub(super) async fn drive_machine(&mut self) -> Result<Option<End>, WorkerError> {
        loop {
            let now = self.clock.now();
            let Some(command) = self.machine.poll_command(now.at, now.log_ms) else {
                return Ok(None);
            };
            match command {
                LeaseCommand::Put {
                    record,
                    value,
                    expected,
                } => {
                    let bucket = bucket(&record);
                    let key = record.key();
                    let sent = self.bus.start_put_if(bucket, &key, value, expected).await;
                    if matches!(sent, Err(PublishError::StoreFailed)) {
                        return Err(WorkerError::Store);
                    }
                    self.answers.push(Box::pin(async move {
                        LeaseAnswer::Put(record, lease_put(sent).await)
                    }));
                }
                LeaseCommand::Get { record } => {
                    let bus = self.bus.clone();
                    self.answers.push(Box::pin(async move {
                        let key = record.key();
                        let outcome = lease_get(bus.get(bucket(&record), &key)).await;
                        LeaseAnswer::Get(record, outcome)
                    }));
                }
                LeaseCommand::Delete { record, expected } => {
                    let bus = self.bus.clone();
                    let ttl = self.settings.log_max_age;
                    self.answers.push(Box::pin(async move {
                        let key = record.key();
                        let deleted = bus.delete_if(bucket(&record), &key, expected, ttl).await;
                        if let Err(error) = deleted {
                            tracing::debug!(key, %error, "cannot delete the record of a dead worker");
                        }
                        LeaseAnswer::Nothing
                    }));
                }
                LeaseCommand::Probe(probe) => self.probe_worker(probe),
                LeaseCommand::Start {
                    partition,
                    epoch,
                    stuck,
                } => {
                    tracing::debug!(%partition, epoch = epoch.0, "a partition is taken");
                    self.settings.metrics.taken.inc();
                    self.rooms.order(partition, Order::Take(epoch, stuck));
                }
                LeaseCommand::Needs {
                    partition,
                    epoch,
                    needs,
                } => self.rooms.tell_needs(partition, epoch, needs),
                LeaseCommand::Stop { partition, epoch } => {
                    tracing::debug!(%partition, "a partition is handed over");
                    self.rooms.order(partition, Order::Release(epoch));
                }
                LeaseCommand::Lost { partition } => {
                    tracing::warn!(%partition, "a partition was lost: another worker has its lease");
                    self.settings.metrics.lost.inc();
                    self.rooms.order(partition, Order::Drop);
                }
                LeaseCommand::Dead => return Ok(Some(End::Dead)),
                LeaseCommand::RolledBack => return Ok(Some(End::RolledBack)),
                LeaseCommand::Left => return Ok(Some(End::Left)),
            }
        }
    }

    /// Sends a probe to a worker.
    fn probe_worker(&self, probe: Probe) {
        let subject = subject::worker_alive(&probe.worker);
        match probe.observer {
            Observer::First => {
                let bus = self.bus.clone();
                self.answers.push(Box::pin(async move {
                    let payload = bytes::Bytes::new();
                    let answer = bus.request(subject, payload, PROBE_DEADLINE).await;
                    LeaseAnswer::Probe(probe, probe_outcome(&answer))
                }));
            }
            Observer::Second => {
                let request = self.second.request(subject, PROBE_DEADLINE);
                self.answers.push(Box::pin(async move {
                    LeaseAnswer::Probe(probe, probe_outcome(&request.await))
                }));
            }
        }
    }

    pub(super) fn on_answer(&mut self, answer: LeaseAnswer) {
        let at = now();
        match answer {
            LeaseAnswer::Put(record, outcome) => self.machine.handle_put(&record, outcome),
            LeaseAnswer::Get(record, outcome) => self.machine.handle_get(at, &record, &outcome),
            LeaseAnswer::Probe(probe, outcome) => self.machine.handle_probe(at, &probe, outcome),
            LeaseAnswer::Nothing => {}
        }
    }

    /// Handles the report of the room loop with this number. Reports of a replaced loop are ignored.
    pub(super) fn on_report(&mut self, number: u64, report: LoopReport) -> Result<(), WorkerError> {
        let Some(index) = self.rooms.find(number) else {
            return Ok(());
        };
        match report {
            LoopReport::Ready(partition, epoch) if self.machine.epoch(partition) == Some(epoch) => {
                self.machine.handle_ready(partition);
            }
            LoopReport::Stopped(partition, epoch)
                if self.machine.epoch(partition) == Some(epoch) =>
            {
                self.machine.handle_stopped(partition);
            }
            LoopReport::Needs(partition, epoch, needs)
                if self.machine.epoch(partition) == Some(epoch) =>
            {
                self.machine.handle_needs(partition, &needs);
            }
            // The partition has another epoch by now.
            LoopReport::Ready(..) | LoopReport::Stopped(..) | LoopReport::Needs(..) => {}
            LoopReport::Seen(partition, epoch) => self.machine.handle_epoch(partition, epoch),
            // The supervisor ends the process; the other loops hand their partitions over before.
            LoopReport::Failed(error @ WorkerError::Panicked(_)) => {
                self.rooms.close(index);
                self.give_up(&StuckLoop { index, at: None });
                self.fail(error);
            }
            LoopReport::Failed(error) => return Err(error),
        }
        Ok(())
    }

    /// Asks the room loops whether they turn. A loop that is stuck loses its partitions, and another one takes its place.
    pub(super) fn check_room_loops(&mut self) {
        for stuck in self.rooms.poll_stuck() {
            let index = stuck.index;
            let seconds = STUCK_AFTER.as_secs();
            match &stuck.at {
                Some((partition, at)) => {
                    tracing::error!(
                        index,
                        room = %at.room,
                        %partition,
                        seq = at.seq,
                        "a room loop has not answered for {seconds} s: its game does not return; its partitions are taken over again, and the room goes to quarantine if that happens a second time at the same entry"
                    );
                }
                None => tracing::error!(
                    index,
                    "a room loop has not answered for {seconds} s; its partitions are taken over again"
                ),
            }
            self.settings.metrics.loops_stuck.inc();
            self.give_up(&stuck);
            if self.is_leaving() {
                continue;
            }
            match self.rooms.replace(index) {
                Ok(sender) => self.machine.handle_sender(index, sender),
                Err(error) => {
                    tracing::error!(%error, "the worker ends, because it cannot replace a room loop");
                    self.fail(error);
                }
            }
        }
    }

    /// Releases the leases of a loop that no longer acts, without a handover.
    fn give_up(&mut self, stuck: &StuckLoop) {
        for partition in self.bus.layout().all_partitions() {
            if self.rooms.index(partition) == stuck.index {
                let at = stuck.at.as_ref().filter(|(of, _)| *of == partition);
                let entry = at.map(|(_, entry)| entry.clone());
                self.machine.handle_stuck(partition, entry);
            }
        }
    }
}

fn bucket(record: &RecordKey) -> Bucket {
    match record {
        RecordKey::Worker(_) => Bucket::Workers,
        RecordKey::Lease(_) => Bucket::Leases,
    }
}
