//! The messages that a room has seen, so that a repeat is dropped.

use std::collections::VecDeque;

use grandstand_common::wire::RoomMessage;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The most instances of rooms whose last message is remembered. The one that was silent for longest goes.
const SENDERS: usize = 256;
/// The most other messages whose ids are remembered.
const IDS: usize = 256;

/// The last message of each sending room, and the ids of other messages. Names are kept as hashes.
///
/// A room appends its messages to another one in order, each after the ack of the one before. A number that is not above
/// the last one is therefore a repeat.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SeenMessages {
    /// The instance of a room, and the number of its last message; the one heard of last at the end.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    senders: VecDeque<(u64, u64)>,
    /// The ids of messages of services and operators, oldest first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    ids: VecDeque<u64>,
}

impl SeenMessages {
    /// Whether no message was seen.
    pub(crate) fn is_empty(&self) -> bool {
        self.senders.is_empty() && self.ids.is_empty()
    }

    /// Notes a message. Returns whether it is no repeat.
    pub(super) fn note(&mut self, message: &RoomMessage) -> bool {
        let numbered = message.id.rsplit_once('.');
        let numbered = numbered.and_then(|(instance, no)| Some((instance, no.parse().ok()?)));
        match numbered.filter(|_| !message.room.is_empty()) {
            Some((instance, no)) => self.note_number(hash(&[&message.room, instance]), no),
            None => self.note_id(hash(&[&message.room, &message.service, &message.id])),
        }
    }

    fn note_number(&mut self, sender: u64, no: u64) -> bool {
        let at = self.senders.iter().position(|(other, _)| *other == sender);
        let last = at
            .and_then(|at| self.senders.remove(at))
            .map_or(0, |(_, last)| last);
        if self.senders.len() == SENDERS {
            self.senders.pop_front();
        }
        self.senders.push_back((sender, last.max(no)));
        no > last
    }

    fn note_id(&mut self, id: u64) -> bool {
        if self.ids.contains(&id) {
            return false;
        }
        if self.ids.len() == IDS {
            self.ids.pop_front();
        }
        self.ids.push_back(id);
        true
    }
}

fn hash(parts: &[&str]) -> u64 {
    xxh3_64(parts.join("\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(room: &str, id: &str) -> RoomMessage {
        RoomMessage {
            id: id.to_owned(),
            room: room.to_owned(),
            ..RoomMessage::default()
        }
    }

    #[test]
    fn a_number_that_is_not_above_the_last_one_of_its_instance_is_a_repeat() {
        let mut seen = SeenMessages::default();
        let is_new = [
            ("a-1", "7f.1", true),
            ("a-1", "7f.1", false),
            ("a-1", "7f.3", true),
            ("a-1", "7f.2", false),
            ("a-1", "80.1", true),
            ("a-2", "7f.1", true),
            ("", "x.1", true),
            ("", "x.1", false),
            ("", "x.0", true),
        ];
        for (room, id, is_new) in is_new {
            assert_eq!(seen.note(&message(room, id)), is_new, "{room} {id}");
        }
    }

    #[test]
    fn d26_the_memory_of_messages_has_a_bound() {
        let mut seen = SeenMessages::default();
        for n in 0..1_000 {
            assert!(seen.note(&message(
                &format!("a-{n}"),
                "18446744073709551615.18446744073709551615"
            )));
            assert!(seen.note(&message("", &n.to_string())));
        }
        assert!(!seen.note(&message("a-999", "18446744073709551615.1")));
        assert!(!seen.note(&message("", "999")));
        let stored = serde_json::to_string(&seen).unwrap();
        assert!(stored.len() < 18 * 1024, "{} bytes", stored.len());
    }
}
