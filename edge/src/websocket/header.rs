//! Parses the headers of client frames.

use crate::websocket::error::ProtocolError;
use crate::websocket::frame::{DEFLATED, MAX_CONTROL_PAYLOAD, Opcode};

/// The most bytes of a client frame's header.
const MAX_HEADER: usize = 14;

/// The rules for the headers of a peer's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameFormat {
    /// Whether messages may be compressed.
    pub(super) deflate: bool,
    /// Whether the payload is masked.
    pub(super) masked: bool,
}

/// A client frame's header (RFC 6455 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Whether the frame ends its message.
    pub(super) fin: bool,
    /// Whether the frame starts a compressed message.
    pub(super) deflated: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: [u8; 4],
    /// The payload's length in bytes.
    pub(super) len: u64,
    /// The header's length in bytes.
    pub(super) size: usize,
}

/// The bytes of a header that has arrived in part; empty between headers.
#[derive(Debug, Default)]
pub(super) struct PartialHeader {
    bytes: [u8; MAX_HEADER],
    len: u8,
}

impl PartialHeader {
    /// Consumes the next header of `input`. Keeps an incomplete one, and returns `None`.
    pub(super) fn take(
        &mut self,
        input: &mut &mut [u8],
        format: FrameFormat,
    ) -> Result<Option<Header>, ProtocolError> {
        if self.len == 0
            && let Some(header) = parse(input, format)?
        {
            *input = &mut std::mem::take(input)[header.size..];
            return Ok(Some(header));
        }
        while let Some((&mut byte, rest)) = std::mem::take(input).split_first_mut() {
            *input = rest;
            self.bytes[usize::from(self.len)] = byte;
            self.len += 1;
            if let Some(header) = parse(&self.bytes[..usize::from(self.len)], format)? {
                self.len = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }
}

/// Parses the header at the start of `bytes`; `None` if it is incomplete. If messages may be compressed, the first frame of
/// a message may say that it is (RFC 7692 section 6).
///
/// An error is reported at the first byte that shows it, so the result does not depend on how the bytes are split.
fn parse(bytes: &[u8], format: FrameFormat) -> Result<Option<Header>, ProtocolError> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    let code = Opcode::from_bits(first & 0x0F);
    let begins = matches!(code, Some(Opcode::Text | Opcode::Binary));
    let reserved = if format.deflate && begins { 0x30 } else { 0x70 };
    if first & reserved != 0 {
        return Err(ProtocolError::ReservedBits);
    }
    let opcode = code.ok_or(ProtocolError::Opcode)?;
    let fin = first & 0x80 != 0;
    if opcode.is_control() && !fin {
        return Err(ProtocolError::FragmentedControl);
    }
    let Some(&second) = bytes.get(1) else {
        return Ok(None);
    };
    match (second & 0x80 != 0, format.masked) {
        (false, true) => return Err(ProtocolError::Unmasked),
        (true, false) => return Err(ProtocolError::Masked),
        _ => {}
    }
    let short = second & 0x7F;
    if opcode.is_control() && usize::from(short) > MAX_CONTROL_PAYLOAD {
        return Err(ProtocolError::LongControl);
    }
    let Some((len, at)) = length(short, bytes)? else {
        return Ok(None);
    };
    let (mask, size) = if format.masked {
        match bytes.get(at..at + 4).and_then(|m| m.try_into().ok()) {
            Some(mask) => (mask, at + 4),
            None => return Ok(None),
        }
    } else {
        ([0; 4], at)
    };
    Ok(Some(Header {
        fin,
        deflated: first & DEFLATED != 0,
        opcode,
        mask,
        len,
        size,
    }))
}

/// Parses the payload's length, which must be encoded in the fewest bytes. Returns it and the offset of the mask.
fn length(short: u8, bytes: &[u8]) -> Result<Option<(u64, usize)>, ProtocolError> {
    let (len, at, least) = match short {
        126 => {
            let Some(long) = bytes.get(2..4).and_then(|b| b.try_into().ok()) else {
                return Ok(None);
            };
            (u64::from(u16::from_be_bytes(long)), 4, 126)
        }
        127 => {
            let Some(long) = bytes.get(2..10).and_then(|b| b.try_into().ok()) else {
                return Ok(None);
            };
            (u64::from_be_bytes(long), 10, 0x1_0000)
        }
        _ => (u64::from(short), 2, 0),
    };
    if len < least || len > i64::MAX as u64 {
        return Err(ProtocolError::Length);
    }
    Ok(Some((len, at)))
}
