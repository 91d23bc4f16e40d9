//! The first message of a client that is no browser.

use std::net::SocketAddr;

use grandstand_common::envelope::{ClientKind, Encoding, Payload, decode_client};

use crate::codec::WireFormat;
use crate::server::handler::ConnectInfo;
use crate::websocket::frame::{Message, frame_len, header_len};

/// The first bytes of a frame with a whole message: FIN, and the opcode of text or of bytes (RFC 6455 section 5.2).
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// A client's first message, `auth`, with its encoding and the bytes after it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) struct Hello {
    encoding: Encoding,
    /// `None` if the message is another one.
    token: Option<String>,
    pub(in crate::server) rest: Vec<u8>,
}

/// The message in a datagram that is one whole frame.
pub(super) fn whole_message(frame: &[u8]) -> Option<Message<'_>> {
    let (encoding, payload) = parts(frame)?;
    match encoding {
        Encoding::Json => std::str::from_utf8(payload).ok().map(Message::Text),
        Encoding::Proto => Some(Message::Binary(payload)),
    }
}

/// The encoding and the payload of a whole frame that is a message. A length in more bytes than it needs is refused: the
/// frame would end elsewhere.
fn parts(frame: &[u8]) -> Option<(Encoding, &[u8])> {
    let (&first, &second) = (frame.first()?, frame.get(1)?);
    let encoding = match first {
        TEXT => Encoding::Json,
        BINARY => Encoding::Proto,
        _ => return None,
    };
    let header = match second {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let payload = frame.get(header..)?;
    let is_whole = frame_len(frame) == Some(frame.len()) && header_len(payload.len()) == header;
    (second < 0x80 && is_whole).then_some((encoding, payload))
}

/// The client does not speak the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct BadHello;

impl Hello {
    /// Reads the first message; `None` if it is incomplete. `limit`: the most bytes of the message.
    pub(in crate::server) fn read(bytes: &[u8], limit: usize) -> Result<Option<Self>, BadHello> {
        match bytes.first() {
            None => return Ok(None),
            Some(&TEXT | &BINARY) => {}
            Some(_) => return Err(BadHello),
        }
        if bytes.get(1).is_some_and(|second| second & 0x80 != 0) {
            return Err(BadHello);
        }
        let Some(len) = frame_len(bytes) else {
            return Ok(None);
        };
        if len > limit {
            return Err(BadHello);
        }
        let Some((frame, rest)) = bytes.split_at_checked(len) else {
            return Ok(None);
        };
        let (encoding, payload) = parts(frame).ok_or(BadHello)?;
        let message = match encoding {
            Encoding::Json => std::str::from_utf8(payload).ok().map(Payload::Json),
            Encoding::Proto => Some(Payload::Proto(payload)),
        };
        let token = match message.ok_or(BadHello).map(decode_client)? {
            Ok(message) => match message.kind {
                ClientKind::Auth { token } => Some(token),
                _ => None,
            },
            Err(_) => None,
        };
        Ok(Some(Self {
            encoding,
            token,
            rest: rest.to_vec(),
        }))
    }

    /// The information about the client in its handshake.
    pub(super) fn info(self, path: &'static str, peer: SocketAddr) -> ConnectInfo {
        ConnectInfo {
            path,
            format: WireFormat::from(self.encoding),
            token: self.token,
            user: None,
            origin: None,
            peer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 16 << 10;

    fn text(json: &str) -> Vec<u8> {
        let mut frame = vec![TEXT, 126];
        frame.extend_from_slice(&(json.len() as u16).to_be_bytes());
        frame.extend_from_slice(json.as_bytes());
        frame
    }

    #[test]
    fn the_first_message_has_the_token() {
        let auth = format!(r#"{{"type":"auth","token":"{}"}}"#, "t".repeat(200));
        let mut bytes = text(&auth);
        for end in 0..bytes.len() {
            assert_eq!(Hello::read(&bytes[..end], LIMIT), Ok(None), "{end} bytes");
        }
        bytes.extend_from_slice(b"more");
        let hello = Hello::read(&bytes, LIMIT).unwrap().unwrap();
        assert_eq!(hello.rest, b"more");
        let info = hello.info("/v1/ws", ([127, 0, 0, 1], 9).into());
        assert_eq!(info.token, Some("t".repeat(200)));
        assert_eq!(info.format.encoding, Encoding::Json);
    }

    #[test]
    fn another_first_message_brings_no_token() {
        let json = format!(r#"{{"type":"ping","padding":"{}"}}"#, "p".repeat(200));
        let hello = Hello::read(&text(&json), LIMIT).unwrap().unwrap();
        assert_eq!(hello.token, None);
        let proto = Hello::read(&[BINARY, 0], LIMIT).unwrap().unwrap();
        assert_eq!((proto.token, proto.encoding), (None, Encoding::Proto));
    }

    #[test]
    fn other_protocols_and_long_messages_are_refused() {
        let long = [TEXT, 127, 0, 0, 0, 0, 0, 1, 0, 0];
        let masked = [TEXT, 0x80, 0, 0, 0, 0];
        let wasteful = [TEXT, 126, 0, 1, b'x'];
        for bytes in [b"GET /".as_slice(), &[0x88, 0], &long, &masked, &wasteful] {
            assert_eq!(Hello::read(bytes, LIMIT), Err(BadHello), "{bytes:?}");
        }
        assert_eq!(Hello::read(&[TEXT, 1, 0xFF], LIMIT), Err(BadHello));
    }
}
