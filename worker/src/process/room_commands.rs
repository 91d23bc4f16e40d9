//! Executes the engine's commands and passes it their outcomes.

use std::time::Duration;

use bytes::Bytes;
use grandstand_common::bus::{Bucket, Message, PublishError, PutError, PutReceipt, Read, Receipt};
use grandstand_common::id::{Epoch, Partition, ProcessId};
use grandstand_common::subject;
use grandstand_common::wire::{Interest, LinkRequest, Live, OperatorRequest};
use prost::Message as _;

use super::answers::{self, EdgeAnswer, EngineAnswer, edge_answered};
use super::edge_probes::ANSWER_DEADLINE;
use super::orders::LoopReport;
use super::readers::ReaderKey;
use super::room_loop::RoomLoop;
use super::settings::WorkerError;
use super::work_queue::Work;
use crate::command::{Command, Now, Outcome, Token};

/// The time for which the bucket of listings keeps the marker of a deletion.
const LISTING_MARKER: Duration = Duration::from_secs(60);

/// The most outcomes that the engine waits for. At this number its commands wait as well.
const MAX_ANSWERS: usize = 4096;

impl RoomLoop {
    /// Ends the turn of the engine and executes its commands, as long as the loop may act.
    pub(super) async fn drive_rooms(&mut self) -> Result<(), WorkerError> {
        if !self.may_act() {
            return Ok(());
        }
        self.engine.flush(self.clock.now());
        while self.answers.len() < MAX_ANSWERS && self.may_act() {
            match self.engine.poll_command() {
                Some(command) => self.execute(command).await?,
                None => break,
            }
        }
        Ok(())
    }

    async fn execute(&mut self, command: Command) -> Result<(), WorkerError> {
        match command {
            Command::Append {
                subject,
                payload,
                token,
            } => self.append(subject, payload, token).await?,
            Command::Emit {
                topic,
                id,
                body,
                token,
            } => {
                let receipt = check(self.bus.emit(&topic, &id, body).await)?;
                self.await_append(receipt, token);
            }
            Command::PutIf {
                bucket,
                key,
                value,
                expected,
                token,
            } => {
                self.count_put(bucket);
                let sent = self.bus.start_put_if(bucket, &key, value, expected);
                let receipt = check(sent.await)?;
                self.await_put(receipt, token);
            }
            Command::PutExpiring {
                bucket,
                key,
                value,
                ttl,
                expected,
                token,
            } => {
                let bus = self.bus.clone();
                self.await_outcome(token, async move {
                    let put = bus.put_expiring(bucket, &key, value, ttl, expected);
                    answers::put_outcome(put.await)
                });
            }
            Command::DeleteIf {
                bucket,
                key,
                expected,
                token,
            } => {
                let bus = self.bus.clone();
                let ttl = match bucket {
                    Bucket::Listings => LISTING_MARKER,
                    _ => self.settings().log_max_age,
                };
                self.await_outcome(token, async move {
                    answers::put_outcome(bus.delete_if(bucket, &key, expected, ttl).await)
                });
            }
            Command::Get { bucket, key, token } => self.get(bucket, key, token),
            Command::LogState { partition, token } => self.measure(partition, token),
            Command::OpenLog { partition, from } => self.readers.open_log(partition, from),
            Command::OpenRoom {
                partition,
                room,
                from,
                reader,
            } => self.readers.open_room(partition, room, from, reader),
            Command::CloseRoom { partition, reader } => {
                self.readers.close(ReaderKey::Room(partition, reader));
            }
            Command::CloseLog { partition } => self.readers.close(ReaderKey::Log(partition)),
            Command::OpenKv { partition, source } => self.readers.open_kv(partition, source),
            Command::CloseKv { partition, source } => {
                self.readers.close(ReaderKey::Kv(partition, source));
            }
            Command::Publish { subject, payload } => {
                self.settings().metrics.batches.inc();
                self.publish(subject, payload).await?;
            }
            Command::Reply { to, payload } => self.publish(to, payload).await?,
            Command::Ready { partition, .. } => self.report_ready(partition),
            Command::RaiseNeeds {
                partition,
                epoch,
                needs,
            } => self
                .reports
                .push(LoopReport::Needs(partition, epoch, needs)),
            Command::Released { partition, epoch } => {
                self.settings().metrics.released.inc();
                self.stop(partition, epoch);
            }
            Command::RolledBack { partition, epoch } => {
                tracing::error!(%partition, "the bucket of rooms came back with an older state than it had acked; the partition is taken over again from what is stored");
                self.settings().metrics.rolled_back.inc();
                self.stop(partition, epoch);
            }
            Command::Lost {
                partition,
                epoch,
                later,
            } => {
                self.reports.push(LoopReport::Seen(partition, later));
                tracing::warn!(%partition, "a partition was lost: another owner's epoch was seen");
                self.settings().metrics.lost.inc();
                self.stop(partition, epoch);
            }
        }
        Ok(())
    }

    /// Appends an entry to a log.
    async fn append(
        &mut self,
        subject: String,
        payload: Bytes,
        token: Token,
    ) -> Result<(), WorkerError> {
        self.settings().metrics.appends.inc();
        let receipt = check(self.bus.append(subject, payload).await)?;
        self.await_append(receipt, token);
        Ok(())
    }

    /// Passes the outcome of an append to the engine.
    fn await_append(&self, sent: Result<Receipt, PublishError>, token: Token) {
        self.await_outcome(token, async move {
            match sent {
                Ok(receipt) => receipt.await.map_or(Outcome::Failed, Outcome::Appended),
                Err(_) => Outcome::Failed,
            }
        });
    }

    /// Passes the outcome of a put to the engine.
    fn await_put(&mut self, sent: Result<PutReceipt, PublishError>, token: Token) {
        self.await_outcome(token, async move {
            answers::put_outcome(match sent {
                Ok(receipt) => receipt.await,
                Err(error) => Err(PutError::NotSent(error)),
            })
        });
    }

    /// Stops reading for a partition that the engine has dropped, and reports it.
    fn stop(&mut self, partition: Partition, epoch: Epoch) {
        self.readers.close_partition(partition);
        self.reports.push(LoopReport::Stopped(partition, epoch));
    }

    fn get(&self, bucket: Bucket, key: String, token: Token) {
        let bus = self.bus.clone();
        self.await_outcome(token, async move {
            let entry = bus.get(bucket, &key).await;
            entry.map_or(Outcome::Failed, Outcome::Value)
        });
    }

    fn measure(&self, partition: Partition, token: Token) {
        let bus = self.bus.clone();
        self.await_outcome(token, async move {
            let state = bus.log_state(partition).await;
            state.map_or(Outcome::Failed, Outcome::Log)
        });
    }

    /// Publishes a message that may be lost, because a gap in the numbers reveals the loss.
    async fn publish(&mut self, subject: String, payload: Bytes) -> Result<(), WorkerError> {
        if let Err(error) = check(self.bus.publish(subject, payload).await)? {
            tracing::debug!(%error, "a message to the edges was not sent");
        }
        Ok(())
    }

    fn await_outcome(&self, token: Token, outcome: impl Future<Output = Outcome> + 'static) {
        let answer = async move { EngineAnswer(token, outcome.await) };
        self.answers.push(Box::pin(answer));
    }

    fn count_put(&self, bucket: Bucket) {
        if let Bucket::Rooms(_) = bucket {
            self.settings().metrics.snapshots.inc();
        }
    }

    pub(super) fn on_engine_answer(&mut self, answer: EngineAnswer) {
        let EngineAnswer(token, outcome) = answer;
        self.engine.handle_outcome(self.clock.now(), token, outcome);
    }

    /// Passes an item of a reading task to the engine, unless another task has replaced that task.
    pub(super) fn on_work(&mut self, now: Now, task: u64, work: Work) {
        if !self.readers.is_current(task, &work) {
            return;
        }
        match work {
            Work::Log(partition, Read::Item(entry, behind)) => {
                self.settings().metrics.entries.inc();
                self.engine.handle_log(now, partition, &entry, behind);
            }
            Work::Log(partition, Read::Idle) => self.engine.handle_log_idle(now, partition),
            Work::Log(partition, Read::Lost) => self.engine.handle_log_lost(partition),
            Work::Room(partition, reader, read) => {
                let from = (partition, reader);
                self.engine.handle_room_log(now, from, &read);
            }
            Work::Kv(partition, source, Read::Item(entry, behind)) => {
                self.engine
                    .handle_kv(now, (partition, source), entry, behind);
            }
            Work::Kv(partition, source, Read::Idle) => {
                self.engine.handle_kv_idle(now, (partition, source));
            }
            Work::Kv(partition, source, Read::Lost) => {
                self.engine.handle_kv_lost((partition, source));
            }
            Work::Listening(partition) => {
                self.listening.insert(partition);
                self.report_ready(partition);
            }
            Work::Live(partition, message) => match Live::decode(message.payload) {
                Ok(live) => self.engine.handle_live(now, partition, live),
                Err(_) => self.count_unreadable(),
            },
            Work::Ctl(partition, message) => match Interest::decode(message.payload.clone()) {
                Ok(interest) if interest.edge.is_empty() => {
                    self.on_operator_request(now, partition, message);
                }
                Ok(interest) => {
                    let reply = message.reply;
                    self.engine
                        .handle_interest(now, partition, &interest, reply);
                }
                Err(_) => self.count_unreadable(),
            },
            Work::LinkRequest(message) => self.on_link_request(now, message),
        }
    }

    fn on_operator_request(&mut self, now: Now, partition: Partition, message: Message) {
        let Ok(request) = OperatorRequest::decode(message.payload) else {
            return self.count_unreadable();
        };
        let Some((want, to)) = request.want.zip(message.reply) else {
            return;
        };
        if let Some(reply) = self.engine.handle_operator(now, partition, &want) {
            self.reply(to, reply.encode_to_vec().into());
        }
    }

    /// Sends an answer, without waiting for it.
    fn reply(&self, to: String, payload: Bytes) {
        let bus = self.bus.clone();
        self.edge_answers.push(Box::pin(async move {
            if let Err(error) = bus.publish(to, payload).await {
                tracing::debug!(%error, "an answer was not sent");
            }
            EdgeAnswer::Sent
        }));
    }

    fn on_link_request(&mut self, now: Now, message: Message) {
        let Ok(request) = LinkRequest::decode(message.payload) else {
            return self.count_unreadable();
        };
        let reply = self.engine.handle_link_request(now, &request);
        if let Some(to) = message.reply {
            self.reply(to, reply.encode_to_vec().into());
        }
    }

    /// Reports a partition as ready if its takeover is done and its subjects are subscribed to.
    fn report_ready(&mut self, partition: Partition) {
        let mut all = self.engine.partitions().iter();
        let ready = all.find(|(id, _, ready)| *ready && *id == partition);
        if let Some((_, epoch, _)) = ready
            && self.listening.contains(&partition)
        {
            tracing::debug!(%partition, "a partition is ready");
            self.reports.push(LoopReport::Ready(partition, epoch));
        }
    }

    /// Sends a probe to an edge process.
    pub(super) fn probe_edge(&mut self, process: ProcessId) {
        let bus = self.bus.clone();
        self.edge_answers.push(Box::pin(async move {
            let subject = subject::process_alive(&process);
            let answer = bus.request(subject, Bytes::new(), ANSWER_DEADLINE).await;
            EdgeAnswer::Alive(process, edge_answered(&answer))
        }));
    }

    fn count_unreadable(&self) {
        self.settings().metrics.unreadable.inc();
    }
}

/// Turns the failure of the embedded bus' store, which is final, into the end of the worker.
fn check<T>(sent: Result<T, PublishError>) -> Result<Result<T, PublishError>, WorkerError> {
    match sent {
        Err(PublishError::StoreFailed) => Err(WorkerError::Store),
        other => Ok(other),
    }
}
