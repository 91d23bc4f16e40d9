//! Frames of a client, written by hand (RFC 6455 section 5.2), and those of a server, read by hand.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;

pub(super) const TEXT: u8 = 0x81;

/// A text that continues in further frames.
pub(super) const TEXT_BEGIN: u8 = 0x01;

/// A further frame of it.
pub(super) const CONTINUATION: u8 = 0x00;

pub(super) const PING: u8 = 0x89;

const PONG: u8 = 0x8A;

const CLOSE: u8 = 0x88;

/// A text that is compressed (RFC 7692 section 6).
pub(super) const COMPRESSED: u8 = 0xC1;

/// A frame with a mask of zeros, which changes nothing.
pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len() as u64, 0x80);
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// The pong that answers a ping.
pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    masked(PONG, payload)
}

/// A frame without a mask, which only servers may send.
pub(super) fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len() as u64, 0);
    frame.extend_from_slice(payload);
    frame
}

/// The header of a frame, with `mask` added to its second byte.
pub(super) fn header(first: u8, length: u64, mask: u8) -> Vec<u8> {
    let mut frame = vec![first];
    match length {
        0..126 => frame.push(mask | length as u8),
        126..65_536 => {
            frame.push(mask | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            frame.push(mask | 127);
            frame.extend_from_slice(&length.to_be_bytes());
        }
    }
    frame
}

/// A compressed message of a MiB of spaces.
pub(super) fn bomb() -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    // Writing to a vector does not fail.
    encoder.write_all(&vec![b' '; 1 << 20]).ok();
    encoder.flush().ok();
    let mut payload = encoder.get_ref().clone();
    // The end of a sync flush is left out (RFC 7692 section 7.2.1).
    payload.truncate(payload.len().saturating_sub(4));
    masked(COMPRESSED, &payload)
}

/// A frame of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerFrame {
    /// A ping with this payload.
    Ping(Vec<u8>),
    /// The close frame; 1005 if it has no code.
    Close(u16),
    /// Any other.
    Other,
}

/// Takes the first frame from `bytes`; `None` if it is not complete.
pub(super) fn take(bytes: &mut Vec<u8>) -> Option<ServerFrame> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (start, length) = match second & 0x7F {
        126 => (
            4,
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        ),
        127 => (
            10,
            u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize,
        ),
        short => (2, usize::from(short)),
    };
    let payload = bytes.get(start..start + length)?.to_vec();
    bytes.drain(..start + length);
    Some(match first {
        PING => ServerFrame::Ping(payload),
        CLOSE => ServerFrame::Close(match payload.get(..2) {
            Some(code) => u16::from_be_bytes([code[0], code[1]]),
            None => 1005,
        }),
        _ => ServerFrame::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_all_lengths_are_read() {
        let mut bytes = Vec::new();
        for length in [0, 125, 126, 65_535, 65_536] {
            bytes.extend(unmasked(TEXT, &vec![b'x'; length]));
        }
        bytes.extend(unmasked(PING, b"p"));
        bytes.extend(unmasked(CLOSE, &4029_u16.to_be_bytes()));
        bytes.push(CLOSE);
        for _ in 0..5 {
            assert_eq!(take(&mut bytes), Some(ServerFrame::Other));
        }
        assert_eq!(take(&mut bytes), Some(ServerFrame::Ping(b"p".to_vec())));
        assert_eq!(take(&mut bytes), Some(ServerFrame::Close(4029)));
        assert_eq!(take(&mut bytes), None);
    }
}
