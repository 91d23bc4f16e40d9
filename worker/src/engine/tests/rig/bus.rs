//! The bus in memory: carries out the owner's commands, and delivers to its readers.

use grandstand_common::bus::{LogState, Read};
use grandstand_common::id::Topic;
use grandstand_common::wire::Body;

use super::*;
use crate::command::Outcome;

impl Rig {
    /// Delivers new keys and entries to the readers. Returns whether there were any.
    pub(in crate::engine::tests) fn deliver(&mut self) -> bool {
        let mut fed = false;
        while let Some((bucket, entry)) = self.undelivered.pop_front() {
            let reads = |(p, source): &&(Partition, KvSource)| {
                let prefix = subject::partition_prefix(*p);
                format!("{:?}", source.bucket(*p)) == bucket && entry.key.starts_with(&prefix)
            };
            if let Some(reader) = self.key_readers.iter().find(reads).copied() {
                self.owner.handle_kv(self.now, reader, entry, 0);
                fed = true;
            }
        }
        while let Some(from) = self.log_reader.filter(|_| !self.hold_log) {
            let rest: Vec<_> = self.log.iter().filter(|e| e.seq >= from).collect();
            let Some(entry) = rest.first().cloned().cloned() else {
                break;
            };
            self.log_reader = Some(entry.seq + 1);
            let behind = rest.len() as u64 - 1;
            self.owner.handle_log(self.now, P, &entry, behind);
            fed = true;
        }
        self.deliver_rooms() || fed
    }

    pub(in crate::engine::tests) fn carry_out(&mut self, command: Command) {
        let now = self.now;
        match command {
            Command::Append { token, .. } if self.lose_appends > 0 => {
                self.lose_appends -= 1;
                self.owner.handle_outcome(now, token, Outcome::Failed);
            }
            Command::Append {
                subject, payload, ..
            } if self.hold_appends => self.held_appends.push((subject, payload)),
            Command::Append {
                subject,
                payload,
                token,
            } => {
                let entry = Entry::decode(payload.clone()).unwrap();
                let is_message = matches!(entry.body, Some(Body::Message(_)));
                let seq = self.store(subject, payload);
                self.answer(token, Outcome::Appended(seq), is_message);
            }
            Command::Emit { token, .. } if self.fail_emits => {
                self.owner.handle_outcome(now, token, Outcome::Failed);
            }
            Command::Emit {
                topic,
                id,
                body,
                token,
            } => {
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
                let is_call = topic == Topic::calls();
                assert_eq!(body["topic"] == topic.as_str(), !is_call);
                assert_eq!(body["id"], id);
                self.emitted.push((id, body));
                let seq = self.emitted.len() as u64;
                self.answer(token, Outcome::Appended(seq), true);
            }
            Command::OpenRoom {
                room, from, reader, ..
            } => {
                let next = (subject::log(P, &room), from);
                self.room_readers.insert(reader, next);
            }
            Command::CloseRoom { reader, .. } => drop(self.room_readers.remove(&reader)),
            Command::PutIf {
                bucket: Bucket::Rooms(_),
                ..
            } if self.hold_writes => self.held_writes.push(command),
            Command::PutIf {
                bucket,
                key,
                value,
                expected,
                token,
            } => {
                let outcome = self.write(bucket, &key, Some(value), expected);
                self.owner.handle_outcome(now, token, outcome);
            }
            Command::PutExpiring {
                bucket,
                key,
                value,
                expected,
                token,
                ..
            } => {
                let outcome = self.write(bucket, &key, Some(value), expected);
                self.owner.handle_outcome(now, token, outcome);
            }
            Command::DeleteIf {
                bucket,
                key,
                expected,
                token,
            } => {
                let outcome = self.write(bucket, &key, None, expected);
                self.owner.handle_outcome(now, token, outcome);
            }
            Command::Get { token, .. } if self.fail_reads => {
                self.owner.handle_outcome(now, token, Outcome::Failed);
            }
            Command::Get { bucket, key, token } => {
                let value = Outcome::Value(self.get(bucket, &key).cloned());
                self.owner.handle_outcome(now, token, value);
            }
            Command::LogState { token, .. } => {
                let state = self.log_state();
                self.owner.handle_outcome(now, token, Outcome::Log(state));
            }
            Command::OpenLog { from, .. } => {
                self.log_reader = Some(from);
                if self.log.iter().all(|e| e.seq < from) {
                    self.owner.handle_log_idle(now, P);
                }
            }
            Command::CloseLog { .. } => self.log_reader = None,
            Command::OpenKv { source, partition }
                if self.hold_rooms && source == KvSource::Rooms =>
            {
                self.held_rooms = Some(partition);
            }
            Command::OpenKv { source, partition } => self.stream(partition, source),
            Command::CloseKv { partition, source } => {
                self.key_readers
                    .retain(|reader| *reader != (partition, source));
            }
            Command::Publish { subject, payload } => {
                let batch = Batch::decode(payload).unwrap();
                match subject.strip_prefix("edge.") {
                    Some(edge) => self.sent.push_back((edge.parse().unwrap(), batch)),
                    None => self.hot.push((subject, batch)),
                }
            }
            Command::Reply { payload, .. } => {
                self.replies.push(InterestReply::decode(payload).unwrap());
            }
            Command::RaiseNeeds { .. } if self.hold_needs => {}
            Command::RaiseNeeds {
                partition,
                epoch,
                needs,
            } => {
                raise(&mut self.needs, &needs);
                self.owner.handle_needs(now, partition, epoch, &self.needs);
            }
            Command::Ready { .. } => self.events.push("ready"),
            Command::Released { .. } => self.events.push("released"),
            Command::Lost { .. } => self.events.push("lost"),
            Command::RolledBack { .. } => self.events.push("rolled back"),
        }
    }

    fn answer(&mut self, token: Token, outcome: Outcome, is_out: bool) {
        if is_out && self.hold_outcomes {
            self.held_outcomes.push((token, outcome));
        } else {
            self.owner.handle_outcome(self.now, token, outcome);
        }
    }

    /// Delivers one entry to each reader of a room, or tells it that there is none. Returns whether there are such readers.
    fn deliver_rooms(&mut self) -> bool {
        for (reader, (subject, next)) in self.room_readers.clone() {
            let mut rest = self.log.iter().filter(|e| e.seq >= next);
            let read = match rest.find(|e| e.subject == subject).cloned() {
                Some(entry) => {
                    self.room_readers.insert(reader, (subject, entry.seq + 1));
                    Read::Item(entry, 0)
                }
                None => Read::Idle,
            };
            self.owner.handle_room_log(self.now, (P, reader), &read);
        }
        !self.room_readers.is_empty()
    }

    fn log_state(&self) -> LogState {
        LogState {
            first: self.log_first,
            last: self.next_seq - 1,
            created_ms: self.created_ms,
        }
    }

    pub(in crate::engine::tests) fn stream(&mut self, partition: Partition, source: KvSource) {
        let bucket = format!("{:?}", source.bucket(partition));
        let prefix = subject::partition_prefix(partition);
        let all = self.kv.iter();
        let all = all.filter(|((b, key), _)| *b == bucket && key.starts_with(&prefix));
        let mut all: Vec<_> = all.map(|(_, entry)| entry.clone()).collect();
        all.sort_by_key(|entry| entry.revision);
        self.undelivered.retain(|(of, _)| *of != bucket);
        self.key_readers.push((partition, source));
        let count = all.len() as u64;
        if count == 0 {
            self.owner.handle_kv_idle(self.now, (partition, source));
        }
        for (at, entry) in (1..).zip(all) {
            let reader = (partition, source);
            self.owner.handle_kv(self.now, reader, entry, count - at);
        }
    }

    fn write(&mut self, bucket: Bucket, key: &str, value: Option<Bytes>, expected: u64) -> Outcome {
        if key.ends_with(self.failing_key) {
            return Outcome::Failed;
        }
        if self.fail_writes > 0 {
            self.fail_writes -= 1;
            return Outcome::Failed;
        }
        if self.get(bucket, key).map_or(0, |entry| entry.revision) != expected {
            return Outcome::Conflict;
        }
        let revision = self.put(bucket, key, value);
        if self.lose_answers > 0 && key.ends_with(self.lose_answers_of) {
            self.lose_answers -= 1;
            return Outcome::Failed;
        }
        Outcome::Stored(revision)
    }

    pub(in crate::engine::tests) fn store(&mut self, subject: String, payload: Bytes) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.log.push(LogEntry {
            seq,
            time_ms: self.now.log_ms,
            subject,
            payload,
        });
        seq
    }
}
