//! Encodes messages as whole WebSocket frames, in each wire format.

mod kinds;

pub mod events;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use grandstand_common::envelope::{Encoding, ServerMessage, encode_server};

use crate::websocket::deflate::Deflater;
use crate::websocket::frame::{MAX_HEADER, Opcode, header_len, put_header};

pub use self::kinds::{ReceivedKind, SentCounts, SentKind};
pub use crate::websocket::deflate::{DeflateOptions, DeflateStats};

/// The encoding of a connection's messages, and whether they are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WireFormat {
    /// JSON or protobuf.
    pub encoding: Encoding,
    /// Whether `permessage-deflate` was negotiated.
    pub deflate: bool,
}

impl From<Encoding> for WireFormat {
    /// The format of this encoding without compression.
    fn from(encoding: Encoding) -> Self {
        Self {
            encoding,
            deflate: false,
        }
    }
}

impl WireFormat {
    /// All formats, at their [`index`](Self::index).
    pub const ALL: [WireFormat; 4] = {
        const fn format(encoding: Encoding, deflate: bool) -> WireFormat {
            WireFormat { encoding, deflate }
        }
        [
            format(Encoding::Json, false),
            format(Encoding::Proto, false),
            format(Encoding::Json, true),
            format(Encoding::Proto, true),
        ]
    };

    /// The format's index in an array of four.
    pub fn index(self) -> usize {
        self.encoding.index() + if self.deflate { Encoding::ALL.len() } else { 0 }
    }
}

/// The opcode of a message in this encoding: text for JSON, binary for protobuf.
fn opcode_of(encoding: Encoding) -> Opcode {
    match encoding {
        Encoding::Json => Opcode::Text,
        Encoding::Proto => Opcode::Binary,
    }
}

/// Appends `message` as one frame to `out`.
pub fn put_message(out: &mut Vec<u8>, encoding: Encoding, message: &ServerMessage<'_>) {
    let start = out.len();
    out.extend_from_slice(&[0; MAX_HEADER]);
    encode_server(encoding, message, out);
    // The header's size depends on the payload's length, which is known only now: moves the payload up to the header.
    let payload = start + MAX_HEADER;
    let len = out.len() - payload;
    let header = header_len(len);
    out.copy_within(payload.., start + header);
    out.truncate(out.len() - (MAX_HEADER - header));
    put_header(
        &mut &mut out[start..start + header],
        opcode_of(encoding),
        len,
    );
}

/// Returns `message` as one uncompressed frame.
pub fn message(encoding: Encoding, message: &ServerMessage<'_>) -> Bytes {
    let mut out = Vec::new();
    put_message(&mut out, encoding, message);
    out.into()
}

/// Encodes messages in all wire formats. One encoder serves all connections, because each message is compressed on its
/// own.
#[derive(Debug)]
pub struct Encoder {
    deflater: Deflater,
    sent: SentCounts,
}

impl Encoder {
    /// Creates an encoder that compresses with these options.
    pub fn new(options: DeflateOptions) -> Self {
        Self {
            deflater: Deflater::new(options),
            sent: SentCounts::default(),
        }
    }

    /// Counts a message that all members of a lane get, once for each of them. `members` are those of each format.
    pub fn count(&mut self, message: impl Into<SentKind>, members: [u32; 4]) {
        let members = members.into_iter().map(u64::from).sum();
        self.sent.add(message.into(), members);
    }

    /// The messages that members of lanes get.
    pub fn sent(&self) -> SentCounts {
        self.sent
    }

    /// The counters of compressed messages.
    pub fn stats(&self) -> DeflateStats {
        self.deflater.counts()
    }

    /// Appends `message` in this format as one frame to `out`, compressed if that makes it smaller.
    pub fn put(&mut self, out: &mut Vec<u8>, format: WireFormat, message: &ServerMessage<'_>) {
        if !format.deflate {
            return put_message(out, format.encoding, message);
        }
        let mut plain = Vec::new();
        put_message(&mut plain, format.encoding, message);
        self.put_deflated(out, format.encoding, &plain);
    }

    /// Appends the message in `frame`, one plain frame, to `out`, compressed if that makes it smaller.
    pub fn put_deflated(&mut self, out: &mut Vec<u8>, encoding: Encoding, frame: &[u8]) {
        let payload = payload_of(frame);
        self.deflater.put_frame(out, opcode_of(encoding), payload);
    }
}

/// The payload of a whole server frame.
fn payload_of(frame: &[u8]) -> &[u8] {
    let header = match frame.get(1) {
        Some(126) => 4,
        Some(127) => MAX_HEADER,
        _ => 2,
    };
    &frame[header..]
}
