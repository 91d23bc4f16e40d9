//! What a load generator must know of an edge's message.
//!
//! What comes a million times a second is read by hand, and no further than to its stamp; all else is decoded in full.

mod json;

mod proto;

#[cfg(test)]
mod tests;

use grandstand_common::envelope::{Encoding, ServerEvent, decode_server};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::RoomId;

use super::stamp;

/// A message of the edge (`docs/protocol.md`). Rooms are the numbers behind their names' prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// A change of a room, and when the input behind it was due.
    Update {
        room: u32,
        version: u64,
        prev: u64,
        due_ns: Option<u64>,
    },
    /// All inputs up to `seq` are processed.
    Ack { room: u32, seq: u64 },
    /// All of a room.
    Snapshot {
        room: u32,
        epoch: String,
        version: u64,
    },
    /// The client is in the room.
    Joined { room: u32, last_seq: u64 },
    /// An input was refused.
    Reject,
    /// The edge cannot reach what it needs.
    Degraded,
    /// Something that should not be, in words.
    Wrong(String),
    /// Nothing that matters here.
    Other,
}

/// Reads messages in one encoding, of rooms whose names begin alike.
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

    /// The room of that number.
    pub(crate) fn room(&self, number: u32) -> Option<RoomId> {
        format!("{}{number}", self.prefix).parse().ok()
    }

    /// Reads one message.
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
        self.of(event)
            .unwrap_or_else(|| Message::Wrong("a message of a room that was not joined".to_owned()))
    }

    /// `None` if it is of another room.
    fn of(&self, event: ServerEvent) -> Option<Message> {
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
                due_ns: stamp::find(data.bytes()).map(|(ns, _)| ns),
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
            ServerEvent::Left { room, code, .. } => Message::Wrong(format!("left {room}: {code}")),
            ServerEvent::Error { code, message, .. } => {
                Message::Wrong(format!("{code}: {message}"))
            }
            _ => Message::Other,
        })
    }
}

/// The number behind a room's prefix.
fn number(room: &[u8], prefix: &[u8]) -> Option<u32> {
    let digits = room.strip_prefix(prefix)?;
    let (number, rest) = integer(digits)?;
    rest.is_empty().then_some(u32::try_from(number).ok()?)
}

/// The decimal number at the beginning, and what follows it.
fn integer(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    let mut at = 0;
    while let Some(&digit @ b'0'..=b'9') = bytes.get(at) {
        number = number.wrapping_mul(10) + u64::from(digit - b'0');
        at += 1;
    }
    (at > 0).then(|| (number, &bytes[at..]))
}
