//! Executes the lease machine's commands.

use grandstand_common::bus::{Bucket, PublishError};
use grandstand_common::id::ProcessId;
use grandstand_common::subject;

use super::answers::{
    LeaseAnswer, PROBE_DEADLINE, edge_answered, lease_get, lease_put, probe_outcome,
};
use super::edge_probes::ANSWER_DEADLINE;
use super::end::End;
use super::settings::WorkerError;
use super::turn::Worker;
use crate::lease::{LeaseCommand, Observer, Probe, RecordKey};

impl Worker<'_> {
    /// Executes all commands of the lease machine. Returns the last one, if any, as the end of the worker.
    pub(super) async fn drive_leases(&mut self) -> Result<Option<End>, WorkerError> {
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
                    let (bucket, key) = (bucket(&record), record.key());
                    let sent = self.bus.start_put_if(bucket, &key, value, expected).await;
                    if matches!(sent, Err(PublishError::StoreFailed)) {
                        return Err(WorkerError::Store);
                    }
                    self.lease_answers.push(Box::pin(async move {
                        LeaseAnswer::Put(record, lease_put(sent).await)
                    }));
                }
                LeaseCommand::Get { record } => {
                    let bus = self.bus.clone();
                    self.lease_answers.push(Box::pin(async move {
                        let key = record.key();
                        let outcome = lease_get(bus.get(bucket(&record), &key)).await;
                        LeaseAnswer::Get(record, outcome)
                    }));
                }
                LeaseCommand::Delete { record, expected } => {
                    let (bus, ttl) = (self.bus.clone(), self.settings.log_max_age);
                    self.lease_answers.push(Box::pin(async move {
                        let key = record.key();
                        let deleted = bus.delete_if(bucket(&record), &key, expected, ttl).await;
                        if let Err(error) = deleted {
                            tracing::debug!(key, %error, "cannot delete the record of a dead worker");
                        }
                        LeaseAnswer::Nothing
                    }));
                }
                LeaseCommand::Probe(probe) => self.probe_worker(probe),
                LeaseCommand::Start { partition, epoch } => {
                    tracing::debug!(%partition, epoch = epoch.0, "taken");
                    self.settings.metrics.taken.inc();
                    self.engine.take(now, partition, epoch);
                    // Requests of edges before the takeover is done get no answer. Edges ask again when the lease is
                    // ready.
                    self.listening.remove(&partition);
                    self.readers.listen(partition);
                }
                LeaseCommand::Stop { partition } => {
                    tracing::debug!(%partition, "handing the partition over");
                    self.engine.release(now, partition);
                }
                LeaseCommand::Lost { partition } => {
                    tracing::warn!(%partition, "lost to another worker");
                    self.settings.metrics.lost.inc();
                    self.engine.drop_partition(partition);
                    self.readers.close_partition(partition);
                }
                LeaseCommand::Dead => {
                    self.engine.drop_all();
                    return Ok(Some(End::Dead));
                }
                LeaseCommand::RolledBack => {
                    self.engine.drop_all();
                    return Ok(Some(End::RolledBack));
                }
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
                self.lease_answers.push(Box::pin(async move {
                    let payload = bytes::Bytes::new();
                    let answer = bus.request(subject, payload, PROBE_DEADLINE).await;
                    LeaseAnswer::Probe(probe, probe_outcome(&answer))
                }));
            }
            Observer::Second => {
                let request = self.witness.request(subject, PROBE_DEADLINE);
                self.lease_answers.push(Box::pin(async move {
                    LeaseAnswer::Probe(probe, probe_outcome(&request.await))
                }));
            }
        }
    }

    pub(super) fn on_lease_answer(&mut self, answer: LeaseAnswer) {
        let now = self.clock.now();
        match answer {
            LeaseAnswer::Put(record, outcome) => self.machine.handle_put(&record, outcome),
            LeaseAnswer::Get(record, outcome) => self.machine.handle_get(now.at, &record, &outcome),
            LeaseAnswer::Probe(probe, outcome) => {
                self.machine.handle_probe(now.at, &probe, outcome);
            }
            LeaseAnswer::Edge(process, alive) => {
                if self.edge_probes.handle_answer(now.at, &process, alive) {
                    tracing::info!(edge = %process, "an edge is gone");
                    self.engine.handle_process_gone(now, &process);
                }
            }
            LeaseAnswer::Nothing => {}
        }
    }

    /// Sends a probe to an edge process.
    pub(super) fn probe_edge(&mut self, process: ProcessId) {
        let bus = self.bus.clone();
        self.lease_answers.push(Box::pin(async move {
            let subject = subject::process_alive(&process);
            let answer = bus
                .request(subject, bytes::Bytes::new(), ANSWER_DEADLINE)
                .await;
            LeaseAnswer::Edge(process, edge_answered(&answer))
        }));
    }
}

fn bucket(record: &RecordKey) -> Bucket {
    match record {
        RecordKey::Worker(_) => Bucket::Workers,
        RecordKey::Lease(_) => Bucket::Leases,
    }
}
