//! Entries of logs and of buckets, from the messages of a stream.

use async_nats::Message;
use bytes::Bytes;

use crate::bus::nats::jetstream::{Delivery, is_marker};
use crate::bus::nats::reader::ReadSpec;
use crate::bus::types::{KvEntry, LogEntry};

/// Copies a payload, because kept entries must not pin the 64 KiB buffer that they were read with.
pub(super) fn detached(payload: &Bytes) -> Bytes {
    Bytes::copy_from_slice(payload)
}

pub(super) fn log_entry(
    spec: &ReadSpec,
    delivery: Delivery,
    message: &Message,
) -> Option<LogEntry> {
    Some(LogEntry {
        seq: delivery.stream_seq,
        time_ms: delivery.time_ms,
        subject: message.subject.get(spec.prefix..)?.to_owned(),
        payload: detached(&message.payload),
    })
}

pub(super) fn kv_entry(spec: &ReadSpec, delivery: Delivery, message: &Message) -> Option<KvEntry> {
    let key = message.subject.get(spec.prefix..)?;
    let marker = message.headers.as_ref().is_some_and(|headers| {
        headers.iter().any(|(name, values)| {
            let is = |value: &async_nats::HeaderValue| is_marker(name.as_ref(), value.as_str());
            values.iter().any(is)
        })
    });
    Some(KvEntry {
        key: key.to_owned(),
        value: (!marker).then(|| detached(&message.payload)),
        revision: delivery.stream_seq,
        time_ms: delivery.time_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::options::IDLE_HEARTBEAT;

    #[test]
    fn a_key_is_the_subject_without_its_prefix() {
        let spec = ReadSpec {
            stream: "KV_rooms_0".to_owned(),
            filters: Vec::new(),
            prefix: "$KV.rooms_0.".len(),
            from: 1,
            every_entry: false,
            heartbeat: IDLE_HEARTBEAT,
        };
        let delivery = "$JS.ACK.KV_rooms_0.c.1.3.1.5000000.0".parse().unwrap();
        let message = Message {
            subject: "$KV.rooms_0.7.memory-1".into(),
            reply: None,
            payload: Bytes::from_static(b"x"),
            headers: None,
            status: None,
            description: None,
            length: 0,
        };
        let entry = kv_entry(&spec, delivery, &message).unwrap();
        assert_eq!(
            (entry.key.as_str(), entry.revision, entry.time_ms),
            ("7.memory-1", 3, 5)
        );
    }
}
