//! An ephemeral push consumer, and the detection of gaps in its messages (D20).

use std::time::Duration;

use async_nats::{Message, StatusCode, Subscriber};
use bytes::Bytes;

use crate::bus::error::BusError;
use crate::bus::nats::connection::{self, Connection};
use crate::bus::nats::dial;
use crate::bus::nats::jetstream::{ConsumerConfig, Delivery, nanos};

/// The time that the server keeps a consumer without a listener.
const INACTIVE_THRESHOLD: Duration = Duration::from_secs(5);
const LAST_CONSUMER: &str = "Nats-Last-Consumer";
const LAST_STREAM: &str = "Nats-Last-Stream";
const STALLED: &str = "Nats-Consumer-Stalled";

/// A consumer and its subscription. Each consumer has a new subject, so that messages of an older one cannot interfere.
#[derive(Debug)]
pub(super) struct Consumer {
    subscriber: Subscriber,
    sequence: SequenceCheck,
    stream: String,
    name: String,
    /// The number of messages that waited when the consumer was created.
    pub(super) pending: u64,
}

/// An event of a consumer.
#[derive(Debug)]
pub(super) enum ConsumerEvent {
    /// A stored message.
    Entry(Delivery, Message),
    /// The consumer has looked at everything up to this stream sequence and delivered the matches.
    Idle(u64),
    /// Flow control: the server waits for an empty message on this subject.
    FlowControl(String),
    /// A message is missing, or the consumer is gone.
    Broken,
}

/// Checks the sequence of a consumer's messages.
#[derive(Debug, Default)]
pub(super) struct SequenceCheck {
    last: u64,
}

impl SequenceCheck {
    /// Classifies a message.
    pub(super) fn handle_message(&mut self, message: Message) -> ConsumerEvent {
        match message.status {
            None => {}
            Some(StatusCode::IDLE_HEARTBEAT) => return self.on_status(&message),
            Some(_) => return ConsumerEvent::Broken,
        }
        let reply = message.reply.as_deref().unwrap_or_default();
        match reply.parse::<Delivery>() {
            Ok(delivery) if delivery.consumer_seq == self.last + 1 => {
                self.last += 1;
                ConsumerEvent::Entry(delivery, message)
            }
            _ => ConsumerEvent::Broken,
        }
    }

    fn on_status(&self, message: &Message) -> ConsumerEvent {
        if let Some(reply) = &message.reply {
            return ConsumerEvent::FlowControl(reply.to_string());
        }
        let header = |name: &str| Some(message.headers.as_ref()?.get(name)?.as_str());
        let number = |name: &str| header(name)?.parse::<u64>().ok();
        if number(LAST_CONSUMER) != Some(self.last) {
            return ConsumerEvent::Broken;
        }
        if let Some(reply) = header(STALLED) {
            return ConsumerEvent::FlowControl(reply.to_owned());
        }
        ConsumerEvent::Idle(number(LAST_STREAM).unwrap_or(0))
    }
}

impl Consumer {
    /// Creates a consumer of the subjects `filters` from stream sequence `from` on, with `heartbeat` as the interval of
    /// heartbeats while it is idle.
    pub(super) async fn create(
        connection: &Connection,
        stream: &str,
        filters: &[String],
        from: u64,
        heartbeat: Duration,
        number: u64,
    ) -> Result<Self, BusError> {
        let deliver_subject = connection.replies.deliver_subject(number);
        let name = dial::random_id();
        let subscriber = connection.subscribe(deliver_subject.clone()).await?;
        let one = match filters {
            [one] => Some(one.as_str()),
            _ => None,
        };
        let config = ConsumerConfig {
            name: &name,
            deliver_subject: &deliver_subject,
            deliver_policy: "by_start_sequence",
            opt_start_seq: from.max(1),
            ack_policy: "none",
            replay_policy: "instant",
            filter_subject: one,
            filter_subjects: if one.is_some() { &[] } else { filters },
            flow_control: true,
            idle_heartbeat: nanos(heartbeat),
            inactive_threshold: nanos(INACTIVE_THRESHOLD),
            num_replicas: 1,
            mem_storage: true,
            max_deliver: 1,
        };
        let pending = connection.create_consumer(stream, &config).await?;
        Ok(Self {
            subscriber,
            sequence: SequenceCheck::default(),
            stream: stream.to_owned(),
            name,
            pending,
        })
    }

    /// The next event. Cancel safe.
    pub(super) async fn next(&mut self) -> ConsumerEvent {
        match connection::next(&mut self.subscriber).await {
            Some(message) => self.sequence.handle_message(message),
            None => ConsumerEvent::Broken,
        }
    }

    /// Answers a [`ConsumerEvent::FlowControl`].
    pub(super) async fn answer_flow_control(&self, connection: &Connection, subject: String) {
        let _ = connection.send(subject, None, None, Bytes::new()).await;
    }

    /// Deletes the consumer.
    pub(super) async fn delete(self, connection: &Connection) {
        connection.delete_consumer(&self.stream, &self.name).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_nats::header::HeaderMap;

    fn message(
        reply: Option<&str>,
        status: Option<StatusCode>,
        headers: &[(&str, &str)],
    ) -> Message {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, *value);
        }
        Message {
            subject: "in.7.a".into(),
            reply: reply.map(Into::into),
            payload: Bytes::new(),
            headers: Some(map),
            status,
            description: None,
            length: 0,
        }
    }

    fn entry(consumer_seq: u64) -> Message {
        let reply = format!("$JS.ACK.IN_0.c.1.{}.{consumer_seq}.1.0", consumer_seq * 10);
        message(Some(&reply), None, &[])
    }

    #[test]
    fn a_gap_in_the_sequence_breaks_the_consumer() {
        let mut sequence = SequenceCheck::default();
        assert!(matches!(
            sequence.handle_message(entry(1)),
            ConsumerEvent::Entry(..)
        ));
        assert!(matches!(
            sequence.handle_message(entry(3)),
            ConsumerEvent::Broken
        ));
    }

    #[test]
    fn a_heartbeat_tells_idle_from_missing_from_stalled() {
        let beat = |headers: &[_]| message(None, Some(StatusCode::IDLE_HEARTBEAT), headers);
        let mut sequence = SequenceCheck::default();
        sequence.handle_message(entry(1));
        let idle = sequence.handle_message(beat(&[(LAST_CONSUMER, "1"), (LAST_STREAM, "44")]));
        assert!(matches!(idle, ConsumerEvent::Idle(44)));
        let missing = sequence.handle_message(beat(&[(LAST_CONSUMER, "2"), (LAST_STREAM, "44")]));
        assert!(matches!(missing, ConsumerEvent::Broken));
        let stalled = sequence.handle_message(beat(&[(LAST_CONSUMER, "1"), (STALLED, "$JS.FC.x")]));
        assert!(matches!(stalled, ConsumerEvent::FlowControl(subject) if subject == "$JS.FC.x"));
    }

    #[test]
    fn flow_control_is_answered_and_other_statuses_end_it() {
        let mut sequence = SequenceCheck::default();
        let flow = message(Some("$JS.FC.y"), Some(StatusCode::IDLE_HEARTBEAT), &[]);
        assert!(
            matches!(sequence.handle_message(flow), ConsumerEvent::FlowControl(s) if s == "$JS.FC.y")
        );
        let gone = message(None, Some(StatusCode::REQUEST_TERMINATED), &[]);
        assert!(matches!(
            sequence.handle_message(gone),
            ConsumerEvent::Broken
        ));
    }
}
