//! Decompression of messages (RFC 7692). Each is inflated on its own, into a buffer that all connections share.

use flate2::{Decompress, FlushDecompress, Status};

use crate::websocket::error::ProtocolError;
use crate::websocket::frame::{Message, MessageKind};
use crate::websocket::payload;

/// The four bytes that senders omit from the end of a message (RFC 7692 section 7.2.2), and an empty final block: DEFLATE
/// reaches its end after them only if the message is complete.
const TAIL: [u8; 9] = [0x00, 0x00, 0xFF, 0xFF, 0x01, 0x00, 0x00, 0xFF, 0xFF];

/// The initial size of the buffer, in bytes.
const INITIAL_BYTES: usize = 4096;

/// The largest buffer, in bytes, that is kept for the next message.
const MAX_KEPT_BYTES: usize = 256 << 10;

/// The most bytes of a compressed message whose inflated size is at most `limit`. Incompressible data grows by 5 bytes per
/// block, and some clients end a block every 127 bytes.
pub(super) fn deflated_limit(limit: u32) -> u32 {
    limit.saturating_add(limit / 16).saturating_add(64)
}

/// Inflates a complete message of at most `limit` bytes, and validates the UTF-8 of text.
pub(super) fn message<'i>(
    inflater: &'i mut Inflater,
    kind: MessageKind,
    payload: &[u8],
    limit: u32,
) -> Result<Message<'i>, ProtocolError> {
    let inflated = inflater.inflate(payload, limit)?;
    Ok(match kind {
        MessageKind::Text => {
            Message::Text(payload::text(inflated).map_err(|_| ProtocolError::Utf8)?)
        }
        MessageKind::Binary => Message::Binary(inflated),
    })
}

/// Inflates messages one after the other. All connections of a shard share one, because no state is carried from a
/// message to the next.
#[derive(Debug, Default)]
pub struct Inflater {
    /// Created with the first message, because it takes 47 KB.
    machine: Option<Box<Decompress>>,
    /// The inflated message and spare space.
    buffer: Vec<u8>,
    /// The bytes in the buffer of a message that was too big; 0 otherwise.
    oversized: usize,
    counts: InflateStats,
}

/// The counters of an [`Inflater`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InflateStats {
    /// Bytes of compressed messages, as received.
    pub from_bytes: u64,
    /// Bytes of the same messages, inflated.
    pub to_bytes: u64,
}

impl Inflater {
    /// Returns and resets the counters.
    pub fn take_counts(&mut self) -> InflateStats {
        std::mem::take(&mut self.counts)
    }

    /// The start of the last message, if it was too big; empty otherwise, and when it is called again.
    pub fn take_start(&mut self) -> &[u8] {
        let len = std::mem::take(&mut self.oversized);
        &self.buffer[..len.min(self.buffer.len())]
    }

    /// The capacity of its buffer, in bytes.
    pub fn buffered(&self) -> usize {
        self.buffer.capacity()
    }

    /// Inflates a message. At most one byte more than `limit` is written or allocated.
    fn inflate(&mut self, payload: &[u8], limit: u32) -> Result<&[u8], ProtocolError> {
        if self.buffer.len() > MAX_KEPT_BYTES {
            self.buffer = Vec::new();
        }
        let machine = self
            .machine
            .get_or_insert_with(|| Box::new(Decompress::new(false)));
        let mut message = Inflation {
            machine,
            buffer: &mut self.buffer,
            len: 0,
            ended: true,
            limit,
        };
        // Some clients send no bytes for an empty message, and some end a message with a final block.
        let taken = message.take(payload).and_then(|()| {
            if message.ended {
                Ok(())
            } else {
                message.take(&TAIL)
            }
        });
        let len = message.len;
        let ended = message.ended;
        self.oversized = match taken {
            Err(ProtocolError::TooBig { .. }) => len,
            _ => 0,
        };
        taken?;
        if !ended {
            return Err(ProtocolError::Deflate);
        }
        self.counts.from_bytes += payload.len() as u64;
        self.counts.to_bytes += len as u64;
        Ok(&self.buffer[..len])
    }
}

/// A message that is being inflated.
struct Inflation<'i> {
    machine: &'i mut Decompress,
    buffer: &'i mut Vec<u8>,
    /// The inflated bytes in the buffer.
    len: usize,
    /// No DEFLATE stream has started, or the last one has ended. Further input starts a new one (RFC 7692 section 7.2.3.4).
    ended: bool,
    limit: u32,
}

impl Inflation<'_> {
    /// Inflates all of `input`.
    fn take(&mut self, mut input: &[u8]) -> Result<(), ProtocolError> {
        let cap = self.limit as usize + 1;
        while !input.is_empty() || self.len == self.buffer.len() && !self.ended {
            if self.ended {
                self.machine.reset(false);
                self.ended = false;
            }
            if self.len == self.buffer.len() {
                let room = (self.len * 2).clamp(INITIAL_BYTES.min(cap), cap);
                // Exact, because amortized growth could exceed the limit.
                self.buffer.reserve_exact(room - self.len);
                self.buffer.resize(room, 0);
            }
            let end = self.buffer.len().min(cap);
            let taken = self.machine.total_in();
            let made = self.machine.total_out();
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
            if self.len >= cap {
                return Err(ProtocolError::TooBig { limit: self.limit });
            }
            if taken == 0 && made == 0 {
                break;
            }
        }
        if input.is_empty() {
            Ok(())
        } else {
            Err(ProtocolError::Deflate)
        }
    }
}
