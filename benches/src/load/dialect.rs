//! The protocols of Grandstand and of other servers.

use grandstand_common::envelope::Encoding;
use serde::{Deserialize, Serialize};

use super::timestamp;

/// A server's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// `docs/protocol.md` in JSON.
    Grandstand,
    /// `docs/protocol.md` in protobuf.
    GrandstandProto,
    /// Messages without an envelope. Every message on `/publish` goes to all connections on `/`.
    Raw,
    /// NATS over WebSocket.
    Nats,
    /// Socket.IO 4 over WebSocket, without polling first.
    SocketIo,
    /// Nchan: subscribers on `/sub`, a publisher on `/pub`.
    Nchan,
}

/// The reaction to a message of another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Does nothing.
    Nothing,
    /// Sends this text.
    Say(&'static [u8]),
    /// The connection is established.
    In,
}

impl Dialect {
    /// Grandstand's protocol in this encoding.
    pub fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Json => Self::Grandstand,
            Encoding::Proto => Self::GrandstandProto,
        }
    }

    /// The encoding of Grandstand's protocol; `None` for other servers.
    pub(crate) fn encoding(self) -> Option<Encoding> {
        match self {
            Self::Grandstand => Some(Encoding::Json),
            Self::GrandstandProto => Some(Encoding::Proto),
            Self::Raw | Self::Nats | Self::SocketIo | Self::Nchan => None,
        }
    }

    /// The path of the WebSocket.
    pub(crate) fn path(self, publishes: bool) -> &'static str {
        match (self, publishes) {
            (Self::Grandstand | Self::GrandstandProto, _) => "/v1/ws",
            (Self::Raw, false) | (Self::Nats, _) => "/",
            (Self::Raw, true) => "/publish",
            (Self::SocketIo, _) => "/socket.io/?EIO=4&transport=websocket",
            (Self::Nchan, false) => "/sub",
            (Self::Nchan, true) => "/pub",
        }
    }

    /// The subprotocol to request.
    pub(crate) fn subprotocol(self) -> Option<&'static str> {
        self.encoding().map(Encoding::subprotocol)
    }

    /// Whether frames are binary.
    pub(crate) fn binary(self) -> bool {
        matches!(self, Self::Nats | Self::GrandstandProto)
    }

    /// The first message of a connection to another server.
    pub(crate) fn greeting(self, publishes: bool) -> Step {
        match (self, publishes) {
            (Self::Raw | Self::Nchan, _) => Step::In,
            (Self::Nats, true) => Step::Say(b"CONNECT {\"verbose\":false}\r\nPING\r\n"),
            (Self::Nats, false) => {
                Step::Say(b"CONNECT {\"verbose\":false}\r\nSUB room 1\r\nPING\r\n")
            }
            (Self::SocketIo | Self::Grandstand | Self::GrandstandProto, _) => Step::Nothing,
        }
    }

    /// The reaction to a message without a timestamp.
    pub(crate) fn step(self, text: &[u8]) -> Step {
        match self {
            Self::Nats if text.starts_with(b"PING") => Step::Say(b"PONG\r\n"),
            Self::Nats if memchr::memmem::find(text, b"PONG").is_some() => Step::In,
            Self::SocketIo => match text {
                [b'0', ..] => Step::Say(b"40"),
                [b'2', ..] => Step::Say(b"3"),
                [b'4', b'0', ..] => Step::In,
                _ => Step::Nothing,
            },
            _ => Step::Nothing,
        }
    }

    /// Appends a message to publish: `size` bytes that begin with a timestamp.
    pub(crate) fn publish(self, due_ns: u64, size: usize, out: &mut Vec<u8>) {
        match self {
            Self::Nats => {
                out.extend_from_slice(format!("PUB room {size}\r\n").as_bytes());
                payload(due_ns, size, out);
                out.extend_from_slice(b"\r\n");
            }
            Self::SocketIo => {
                out.extend_from_slice(b"42[\"m\",\"");
                payload(due_ns, size, out);
                out.extend_from_slice(b"\"]");
            }
            Self::Raw | Self::Nchan | Self::Grandstand | Self::GrandstandProto => {
                payload(due_ns, size, out);
            }
        }
    }
}

/// Appends `size` bytes that begin with a timestamp.
pub(crate) fn payload(due_ns: u64, size: usize, out: &mut Vec<u8>) {
    let end = out.len() + size.max(timestamp::LEN);
    timestamp::put(due_ns, out);
    out.resize(end, b'.');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_message_has_its_size_and_timestamp() {
        for dialect in [
            Dialect::Raw,
            Dialect::Nats,
            Dialect::SocketIo,
            Dialect::Nchan,
        ] {
            let mut out = Vec::new();
            dialect.publish(99, 128, &mut out);
            assert!(out.len() >= 128);
            assert_eq!(timestamp::find(&out).unwrap().0, 99, "{dialect:?}");
            let payload = out.iter().filter(|&&b| b == b'.').count() + timestamp::LEN;
            assert_eq!(payload, 128, "{dialect:?}");
        }
    }

    #[test]
    fn a_peers_greeting_is_answered_until_it_accepts() {
        assert_eq!(
            Dialect::SocketIo.step(b"0{\"sid\":\"x\"}"),
            Step::Say(b"40")
        );
        assert_eq!(Dialect::SocketIo.step(b"40{\"sid\":\"y\"}"), Step::In);
        assert_eq!(Dialect::SocketIo.step(b"2"), Step::Say(b"3"));
        assert_eq!(Dialect::Nats.step(b"INFO {}\r\n"), Step::Nothing);
        assert_eq!(Dialect::Nats.step(b"PONG\r\n"), Step::In);
        assert_eq!(Dialect::Nats.step(b"PING\r\n"), Step::Say(b"PONG\r\n"));
    }
}
