//! A load generator's reader of an edge's messages.
//!
//! Frequent messages are parsed by hand, only as far as their timestamp. All others are decoded in full.

mod event;

mod number;

mod json;

mod proto;

#[cfg(test)]
mod tests;

use grandstand_common::envelope::{Encoding, ServerEvent, decode_server};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::RoomId;

use super::timestamp;
pub(crate) use event::Message;
use number::number;

/// A reader for one encoding and for rooms with a common prefix.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    encoding: Encoding,
    prefix: String,
}

impl Reader {
    pub(crate) fn new(encoding: Encoding, prefix: &str) -> Self {
        Self {
            encoding,
            prefix: prefix.to_owned(),
        }
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub(crate) fn room(&self, number: u32) -> Option<RoomId> {
        format!("{}{number}", self.prefix).parse().ok()
    }

    pub(crate) fn read(&self, payload: &[u8]) -> Message {
        let quick = match self.encoding {
            Encoding::Json => json::read(payload, self.prefix.as_bytes()),
            Encoding::Proto => proto::read(payload, self.prefix.as_bytes()),
        };
        quick.unwrap_or_else(|| self.decode(payload))
    }

    fn decode(&self, payload: &[u8]) -> Message {
        let event = match decode_server(self.encoding, payload) {
            Ok(event) => event,
            Err(error) if error.kind == ErrorKind::UnknownType => return Message::Other,
            Err(error) => return Message::Wrong(error.to_string()),
        };
        self.translate(event).unwrap_or_else(|| {
            Message::Wrong("a message about a room that was not joined".to_owned())
        })
    }

    /// Translates a decoded message; `None` if it is about another room.
    fn translate(&self, event: ServerEvent) -> Option<Message> {
        let number = |room: &RoomId| number(room.as_str().as_bytes(), self.prefix.as_bytes());
        Some(match event {
            ServerEvent::Update {
                room,
                version,
                prev,
                data,
            } => Message::Update {
                room: number(&room)?,
                version,
                prev,
                due_ns: timestamp::find(data.bytes()).map(|(ns, _)| ns),
            },
            ServerEvent::Live { room, data, .. } => Message::Frame {
                room: number(&room)?,
                tick: tick_of(data.bytes()),
            },
            ServerEvent::Ack { room, seq } => Message::Ack {
                room: number(&room)?,
                seq,
            },
            ServerEvent::Snapshot {
                room,
                epoch,
                version,
                ..
            } => Message::Snapshot {
                room: number(&room)?,
                epoch,
                version,
            },
            ServerEvent::Joined { room, last_seq, .. } => Message::Joined {
                room: number(&room)?,
                last_seq: last_seq.unwrap_or(0),
            },
            ServerEvent::Reject { .. } => Message::Reject,
            ServerEvent::Notice { code, .. } if code == "degraded" => Message::Degraded,
            ServerEvent::Left { code, .. } if code == "finished" => Message::Finished,
            ServerEvent::Pong { .. } => Message::Pong,
            ServerEvent::Left { room, code, .. } => Message::Wrong(format!("left {room}: {code}")),
            ServerEvent::Error { code, message, .. } => {
                Message::Wrong(format!("{code}: {message}"))
            }
            _ => Message::Other,
        })
    }
}

/// The number of a frame's tick; 0 if the message is no frame.
fn tick_of(data: &[u8]) -> u64 {
    #[derive(serde::Deserialize)]
    struct Frame {
        #[serde(default)]
        tick: u64,
    }
    serde_json::from_slice(data).map_or(0, |frame: Frame| frame.tick)
}
