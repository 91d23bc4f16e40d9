//! Server frames. They are never fragmented or masked, so every receiver gets the same bytes.

use bytes::{BufMut, Bytes, BytesMut};

/// The most bytes of a control frame's payload (RFC 6455 section 5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// The most bytes of a server frame's header.
pub const MAX_HEADER: usize = 10;

const FIN: u8 = 0x80;

/// RSV1, which marks a message as compressed in its first frame (RFC 7692 section 6).
pub(super) const DEFLATED: u8 = 0x40;

/// The opcode of a frame (RFC 6455 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// Continues a fragmented message.
    Continuation = 0,
    /// Starts a message of UTF-8 text.
    Text = 1,
    /// Starts a message of bytes.
    Binary = 2,
    /// Closes the connection.
    Close = 8,
    /// Requests a pong.
    Ping = 9,
    /// Answers a ping.
    Pong = 10,
}

impl Opcode {
    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
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

    /// Whether the frame is a close, ping or pong.
    pub fn is_control(self) -> bool {
        self as u8 & 8 != 0
    }
}

/// The type of a message's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
}

/// A complete message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

/// The length of a server frame's header, for a payload of this length.
pub fn header_len(payload_len: usize) -> usize {
    match payload_len {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => MAX_HEADER,
    }
}

/// Appends the header of an unfragmented frame; exactly `payload_len` bytes must follow.
pub fn put_header(buf: &mut impl BufMut, opcode: Opcode, payload_len: usize) {
    put_head(buf, FIN | opcode as u8, payload_len);
}

/// Appends the header of an unfragmented frame with a compressed message.
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

/// Returns a text message as one frame.
pub fn text(payload: &str) -> Bytes {
    whole(Opcode::Text, payload.as_bytes())
}

/// Returns a binary message as one frame.
pub fn binary(payload: &[u8]) -> Bytes {
    whole(Opcode::Binary, payload)
}

/// Returns a ping. The payload is truncated to [`MAX_CONTROL_PAYLOAD`].
pub fn ping(payload: &[u8]) -> Bytes {
    whole(Opcode::Ping, control(payload))
}

/// Returns a pong. The payload is truncated to [`MAX_CONTROL_PAYLOAD`].
pub fn pong(payload: &[u8]) -> Bytes {
    whole(Opcode::Pong, control(payload))
}

/// Returns a close frame. The reason is truncated at a character's boundary to fit a control frame.
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

/// Returns the reply to a peer's close frame: the same code, or an empty payload if the peer sent none.
pub fn close_reply(code: Option<u16>) -> Bytes {
    match code {
        Some(code) => close(code, ""),
        None => whole(Opcode::Close, &[]),
    }
}

/// The length of the server frame at the start of `bytes`, header and payload; `None` if its header is incomplete.
///
/// Outboxes use it to find the end of a partly written frame.
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
