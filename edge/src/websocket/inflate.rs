//! Compressed messages (RFC 7692): each is inflated by itself, into a buffer that all connections share.

use flate2::{Decompress, FlushDecompress, Status};

use crate::websocket::error::ProtocolError;
use crate::websocket::frame::MessageKind;

/// What the sender left out of the message's end, and an empty last block: only where a message ends as it should does
/// deflate end behind it (RFC 7692 section 7.2.2).
const TAIL: [u8; 9] = [0x00, 0x00, 0xFF, 0xFF, 0x01, 0x00, 0x00, 0xFF, 0xFF];

/// What the buffer has at first.
const LEAST: usize = 4096;

/// What the buffer may keep for the next message.
const KEPT: usize = 256 << 10;

/// How many bytes a compressed message may have as it comes, if `limit` is what it may have when inflated: noise becomes
/// longer, by 5 bytes a block, and some clients end a block every 127 bytes.
pub(super) fn deflated_limit(limit: u32) -> u32 {
    limit.saturating_add(limit / 16).saturating_add(64)
}

/// Inflates a whole message of at most `limit` bytes, and checks that text is UTF-8.
pub(super) fn message<'i>(
    inflater: &'i mut Inflater,
    kind: MessageKind,
    payload: &[u8],
    limit: u32,
) -> Result<&'i [u8], ProtocolError> {
    let inflated = inflater.inflate(payload, limit)?;
    if kind == MessageKind::Text && simdutf8::basic::from_utf8(inflated).is_err() {
        return Err(ProtocolError::Utf8);
    }
    Ok(inflated)
}

/// Inflates messages one after the other. There is one for all connections of a shard, since nothing of a message is needed
/// for the next.
#[derive(Debug, Default)]
pub struct Inflater {
    /// Made when the first message comes: it takes 47 KB.
    machine: Option<Box<Decompress>>,
    /// The message, and room for more of it.
    buffer: Vec<u8>,
    counts: InflateStats,
}

/// What an [`Inflater`] has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InflateStats {
    /// Bytes of compressed messages, as they came.
    pub from_bytes: u64,
    /// What they became.
    pub to_bytes: u64,
}

impl Inflater {
    /// What was inflated since the last call.
    pub fn take_counts(&mut self) -> InflateStats {
        std::mem::take(&mut self.counts)
    }

    /// How many bytes its buffer has.
    pub fn buffered(&self) -> usize {
        self.buffer.capacity()
    }

    /// Inflates a message. Not more than one byte beyond `limit` is ever written, or kept room for.
    fn inflate(&mut self, payload: &[u8], limit: u32) -> Result<&[u8], ProtocolError> {
        if self.buffer.len() > KEPT {
            self.buffer = Vec::new();
        }
        let machine = self
            .machine
            .get_or_insert_with(|| Box::new(Decompress::new(false)));
        let mut message = Message {
            machine,
            buffer: &mut self.buffer,
            len: 0,
            ended: true,
            limit,
        };
        // Some clients send nothing at all for an empty message, and some end with a last block and nothing behind it.
        message.take(payload)?;
        if !message.ended {
            message.take(&TAIL)?;
        }
        if !message.ended {
            return Err(ProtocolError::Deflate);
        }
        let len = message.len;
        self.counts.from_bytes += payload.len() as u64;
        self.counts.to_bytes += len as u64;
        Ok(&self.buffer[..len])
    }
}

/// One message on its way.
struct Message<'i> {
    machine: &'i mut Decompress,
    buffer: &'i mut Vec<u8>,
    /// How much of the buffer is the message.
    len: usize,
    /// Nothing was begun, or deflate has ended; what comes then begins anew, as RFC 7692 section 7.2.3.4 has it.
    ended: bool,
    limit: u32,
}

impl Message<'_> {
    /// Inflates `input` to its end.
    fn take(&mut self, mut input: &[u8]) -> Result<(), ProtocolError> {
        let most = self.limit as usize + 1;
        while !input.is_empty() || self.len == self.buffer.len() && !self.ended {
            if self.ended {
                self.machine.reset(false);
                self.ended = false;
            }
            if self.len == self.buffer.len() {
                let room = (self.len * 2).clamp(LEAST.min(most), most);
                // Exactly: what grows by itself would double beyond the limit.
                self.buffer.reserve_exact(room - self.len);
                self.buffer.resize(room, 0);
            }
            let end = self.buffer.len().min(most);
            let (taken, made) = (self.machine.total_in(), self.machine.total_out());
            let status = self
                .machine
                .decompress(
                    input,
                    &mut self.buffer[self.len..end],
                    FlushDecompress::Sync,
                )
                .map_err(|_| ProtocolError::Deflate)?;
            let taken = (self.machine.total_in() - taken) as usize;
            let made = (self.machine.total_out() - made) as usize;
            input = &input[taken..];
            self.len += made;
            self.ended = status == Status::StreamEnd;
            if self.len >= most {
                return Err(ProtocolError::TooBig { limit: self.limit });
            }
            if taken == 0 && made == 0 {
                break;
            }
        }
        match input.is_empty() {
            true => Ok(()),
            false => Err(ProtocolError::Deflate),
        }
    }
}
