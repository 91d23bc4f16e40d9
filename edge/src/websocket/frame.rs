//! Server frames: written whole, never masked, and so the same bytes for every receiver.

use bytes::{BufMut, Bytes, BytesMut};

/// The most bytes that a control frame's payload may have (RFC 6455 section 5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// The most bytes that a server frame's header has.
pub const MAX_HEADER: usize = 10;

const FIN: u8 = 0x80;

/// RSV1 of a message's first frame: the message is compressed (RFC 7692 section 6).
pub(super) const DEFLATED: u8 = 0x40;

/// What a frame is (RFC 6455 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// Goes on with a message that an earlier frame began.
    Continuation = 0,
    /// A message of UTF-8 text.
    Text = 1,
    /// A message of bytes.
    Binary = 2,
    /// The end.
    Close = 8,
    /// Wants a pong.
    Ping = 9,
    /// Answers a ping.
    Pong = 10,
}

impl Opcode {
    pub(super) fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    /// Whether it is close, ping or pong.
    pub fn is_control(self) -> bool {
        self as u8 & 8 != 0
    }
}

/// What a message is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
}

/// How many bytes the header of a server frame with such a payload has.
pub fn header_len(payload_len: usize) -> usize {
    match payload_len {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => MAX_HEADER,
    }
}

/// Appends the header of a final frame; exactly `payload_len` bytes must follow.
pub fn put_header(buf: &mut impl BufMut, opcode: Opcode, payload_len: usize) {
    put_head(buf, FIN | opcode as u8, payload_len);
}

/// Appends the header of a compressed message's only frame.
pub fn put_deflated_header(buf: &mut impl BufMut, opcode: Opcode, payload_len: usize) {
    put_head(buf, FIN | DEFLATED | opcode as u8, payload_len);
}

fn put_head(buf: &mut impl BufMut, first: u8, payload_len: usize) {
    buf.put_u8(first);
    match payload_len {
        0..=125 => buf.put_u8(payload_len as u8),
        126..=0xFFFF => {
            buf.put_u8(126);
            buf.put_u16(payload_len as u16);
        }
        _ => {
            buf.put_u8(127);
            buf.put_u64(payload_len as u64);
        }
    }
}

/// Appends a whole frame.
pub fn put_frame(buf: &mut impl BufMut, opcode: Opcode, payload: &[u8]) {
    put_header(buf, opcode, payload.len());
    buf.put_slice(payload);
}

/// A text message as one frame.
pub fn text(payload: &str) -> Bytes {
    whole(Opcode::Text, payload.as_bytes())
}

/// A binary message as one frame.
pub fn binary(payload: &[u8]) -> Bytes {
    whole(Opcode::Binary, payload)
}

/// A ping. The payload is cut to what a control frame may have.
pub fn ping(payload: &[u8]) -> Bytes {
    whole(Opcode::Ping, control(payload))
}

/// A pong. The payload is cut to what a control frame may have.
pub fn pong(payload: &[u8]) -> Bytes {
    whole(Opcode::Pong, control(payload))
}

/// A close frame. The reason is cut, between two characters, to what a control frame may have.
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(MAX_CONTROL_PAYLOAD - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let reason = &reason[..end];
    let mut buf = BytesMut::new();
    put_header(&mut buf, Opcode::Close, 2 + reason.len());
    buf.put_u16(code);
    buf.put_slice(reason.as_bytes());
    buf.freeze()
}

/// The close frame that answers a peer's: its code if it gave one, else nothing.
pub fn close_reply(code: Option<u16>) -> Bytes {
    match code {
        Some(code) => close(code, ""),
        None => whole(Opcode::Close, &[]),
    }
}

/// How long the server frame at the start of `bytes` is, header and payload; `None` if not even its header is whole.
///
/// What was queued is read with this, to find where a frame that the socket took a part of ends.
pub fn frame_len(bytes: &[u8]) -> Option<usize> {
    let payload = match *bytes.get(1)? & 0x7F {
        126 => usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        127 => u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize,
        short => usize::from(short),
    };
    header_len(payload).checked_add(payload)
}

fn whole(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut buf = BytesMut::new();
    put_frame(&mut buf, opcode, payload);
    buf.freeze()
}

fn control(payload: &[u8]) -> &[u8] {
    &payload[..payload.len().min(MAX_CONTROL_PAYLOAD)]
}
