//! Turns an edge's frames into server-sent events (WHATWG HTML, section 9.2): one event for each message.
//!
//! The frames of a connection are shared with others, so they are turned on their way to the socket, a piece at a time.

use std::fmt;

use grandstand_common::envelope::{EventHead, read_head};

use crate::websocket::frame::{MAX_HEADER, Opcode, frame_len};

/// The most bytes of a frame that are turned at once.
const PIECE: usize = 16 << 10;

/// The most bytes of a message that are kept until its end. Everything but data fits into them.
const KEPT: usize = 4096;

/// A heartbeat: a comment, which clients ignore.
const HEARTBEAT: &[u8] = b":\n\n";

/// The place in a client's room that the `id` of an event names: the epoch and the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventId {
    /// The epoch of the version.
    pub epoch: String,
    /// The version.
    pub version: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.epoch, self.version)
    }
}

impl EventId {
    /// Reads the header `Last-Event-ID`; `None` if it is not one of these ids.
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, version) = text.rsplit_once('/')?;
        let is_epoch = !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_graphic());
        is_epoch.then_some(Self {
            epoch: epoch.to_owned(),
            version: version.parse().ok()?,
        })
    }
}

/// A frame that has passed whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passed {
    /// A message. `text` is its JSON; `None` if it is longer than 4096 bytes.
    Message {
        /// The fields at its start.
        head: EventHead,
        /// All of it.
        text: Option<String>,
    },
    /// A ping with these bytes, which its client answers.
    Ping(Vec<u8>),
    /// The last frame.
    Close,
}

/// Turns the frames of one connection into events.
#[derive(Debug)]
pub struct EventEncoder {
    /// The header of a frame, as far as it has come.
    header: Vec<u8>,
    frame: Option<Frame>,
    /// The first bytes of the frame's payload.
    start: Vec<u8>,
    /// The epoch of the last snapshot, or that in which the client resumes; empty before.
    epoch: String,
}

/// The frame that is being turned.
#[derive(Debug, Clone, Copy)]
struct Frame {
    opcode: Option<Opcode>,
    len: usize,
    left: usize,
}

impl EventEncoder {
    /// Creates an encoder for a client that has seen this epoch; empty if it has seen none.
    pub fn new(epoch: String) -> Self {
        Self {
            header: Vec::with_capacity(MAX_HEADER),
            frame: None,
            start: Vec::new(),
            epoch,
        }
    }

    /// The epoch of the last snapshot; empty before.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Appends a part of `frames`, but never more than one frame, to `out`. Returns the bytes of `frames` that are done,
    /// at least one if there is one, and the frame if it has passed whole.
    pub fn encode(&mut self, frames: &[u8], out: &mut Vec<u8>) -> (usize, Option<Passed>) {
        let mut taken = 0;
        while self.frame.is_none() {
            let Some(&byte) = frames.get(taken) else {
                return (taken, None);
            };
            taken += 1;
            self.header.push(byte);
            if let Some(len) = frame_len(&self.header) {
                let len = len - self.header.len();
                let opcode = Opcode::from_bits(self.header[0] & 0x0F);
                self.header.clear();
                self.frame = Some(Frame {
                    opcode,
                    len,
                    left: len,
                });
                if opcode == Some(Opcode::Text) {
                    out.extend_from_slice(b"data: ");
                }
            }
        }
        let Some(frame) = &mut self.frame else {
            return (taken, None);
        };
        let count = frame.left.min(frames.len() - taken).min(PIECE);
        let payload = &frames[taken..taken + count];
        frame.left -= count;
        let room = KEPT.saturating_sub(self.start.len()).min(count);
        self.start.extend_from_slice(&payload[..room]);
        if frame.opcode == Some(Opcode::Text) {
            put_line(payload, out);
        }
        let passed = match *frame {
            Frame { left: 0, .. } => self.end(out),
            _ => None,
        };
        (taken + count, passed)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Option<Passed> {
        let frame = self.frame.take()?;
        let start = std::mem::take(&mut self.start);
        match frame.opcode? {
            Opcode::Text => Some(self.end_message(start, frame.len, out)),
            Opcode::Ping => {
                out.extend_from_slice(HEARTBEAT);
                Some(Passed::Ping(start))
            }
            Opcode::Close => {
                put_close(&start, out);
                Some(Passed::Close)
            }
            Opcode::Continuation | Opcode::Binary | Opcode::Pong => None,
        }
    }

    fn end_message(&mut self, start: Vec<u8>, len: usize, out: &mut Vec<u8>) -> Passed {
        let mut head = read_head(&start);
        if head.kind == "snapshot" {
            self.epoch = head.epoch.take().unwrap_or_default();
        }
        out.push(b'\n');
        if let (false, Some(version)) = (self.epoch.is_empty(), head.version) {
            out.extend_from_slice(format!("id: {}/{version}\n", self.epoch).as_bytes());
        }
        out.push(b'\n');
        let text = (start.len() == len).then(|| String::from_utf8(start).ok());
        Passed::Message {
            head,
            text: text.flatten(),
        }
    }
}

/// Appends JSON as one line. JSON has line ends only where it may have any space.
fn put_line(json: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    out.extend_from_slice(json);
    for byte in &mut out[from..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

/// Appends the last event, from the payload of a close frame.
fn put_close(payload: &[u8], out: &mut Vec<u8>) {
    let (code, reason) = match payload.split_first_chunk() {
        Some((code, reason)) => (u16::from_be_bytes(*code), String::from_utf8_lossy(reason)),
        None => (1000, "".into()),
    };
    let reason = serde_json::Value::from(reason.as_ref());
    let close = format!("{{\"type\":\"close\",\"code\":{code},\"reason\":{reason}}}");
    out.extend_from_slice(format!("data: {close}\n\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use grandstand_common::data::Data;
    use grandstand_common::envelope::{Encoding, ServerMessage};

    use super::*;
    use crate::codec;
    use crate::websocket::frame;

    fn message(message: &ServerMessage<'_>) -> Bytes {
        codec::message(Encoding::Json, message)
    }

    fn turn(encoder: &mut EventEncoder, frames: &[u8], step: usize) -> (String, Vec<Passed>) {
        let (mut out, mut passed) = (Vec::new(), Vec::new());
        for piece in frames.chunks(step) {
            let mut rest = piece;
            while !rest.is_empty() {
                let (count, one) = encoder.encode(rest, &mut out);
                assert!(count > 0);
                rest = &rest[count..];
                passed.extend(one);
            }
        }
        (String::from_utf8(out).unwrap(), passed)
    }

    #[test]
    fn each_message_becomes_one_event_however_its_bytes_are_split() {
        let room = "memory-1".parse().unwrap();
        let snapshot = message(&ServerMessage::Snapshot {
            room: &room,
            epoch: "19a2.7.p",
            version: 41,
            is_patched: false,
            data: &Data::Json("{\"a\":\r\n[1,\n2]}".into()),
        });
        let update = message(&ServerMessage::Update {
            room: &room,
            version: 42,
            prev: 41,
            data: &Data::Json("{}".into()),
        });
        let ack = message(&ServerMessage::Ack {
            room: &room,
            seq: 7,
        });
        let close = frame::close(4009, "replaced");
        let frames = [
            &snapshot[..],
            &update,
            &ack,
            &frame::ping(b"x"),
            &frame::pong(b"y"),
            &close,
        ]
        .concat();
        for step in [1, 2, 3, 7, 64, frames.len()] {
            let mut encoder = EventEncoder::new(String::new());
            let (text, passed) = turn(&mut encoder, &frames, step);
            let events: Vec<_> = text.split_terminator("\n\n").collect();
            assert_eq!(
                events,
                [
                    "data: {\"type\":\"snapshot\",\"room\":\"memory-1\",\"epoch\":\"19a2.7.p\",\"version\":41,\"data\":{\"a\":  \
                     [1, 2]}}\nid: 19a2.7.p/41",
                    "data: {\"type\":\"update\",\"room\":\"memory-1\",\"version\":42,\"prev\":41,\"data\":{}}\nid: 19a2.7.p/42",
                    "data: {\"type\":\"ack\",\"room\":\"memory-1\",\"seq\":7}",
                    ":",
                    "data: {\"type\":\"close\",\"code\":4009,\"reason\":\"replaced\"}",
                ],
                "{step}"
            );
            assert_eq!(passed.len(), 5, "{step}");
            let Passed::Message { head, text } = &passed[2] else {
                panic!("{passed:?}");
            };
            assert_eq!((head.kind.as_str(), head.seq), ("ack", Some(7)));
            assert!(text.as_ref().unwrap().ends_with("\"seq\":7}"));
            assert_eq!(passed[3], Passed::Ping(b"x".to_vec()));
            assert_eq!(passed[4], Passed::Close);
        }
    }

    #[test]
    fn a_long_message_is_turned_in_pieces_and_its_version_is_found() {
        let room = "memory-1".parse().unwrap();
        let data = format!("\"{}\"", "x".repeat(200_000));
        let frames = message(&ServerMessage::Update {
            room: &room,
            version: 9,
            prev: 8,
            data: &Data::Json(data.into()),
        });
        let mut encoder = EventEncoder::new("e.1".to_owned());
        let mut out = Vec::new();
        let (count, passed) = encoder.encode(&frames, &mut out);
        assert!(count <= PIECE + MAX_HEADER && passed.is_none());
        let (rest, passed) = turn(&mut encoder, &frames[count..], frames.len());
        assert!(rest.ends_with("\"}\nid: e.1/9\n\n"), "{}", rest.len());
        assert!(matches!(&passed[..], [Passed::Message { text: None, .. }]));
    }

    #[test]
    fn an_id_is_read_again() {
        let id = EventId::parse("19a2.7.p/42").unwrap();
        assert_eq!((id.epoch.as_str(), id.version), ("19a2.7.p", 42));
        for bad in ["", "42", "/42", "e/", "e/x", "e/-1", "e\n/1"] {
            assert_eq!(EventId::parse(bad), None, "{bad}");
        }
    }
}
