//! What is sent, compressed (RFC 7692): each message by itself, and so the same bytes for every receiver.

#[cfg(test)]
pub(crate) mod tests;

use flate2::{Compress, Compression, FlushCompress, Status};

use crate::websocket::frame::{Opcode, put_deflated_header, put_frame};

/// What a flush puts at the end, and the receiver at its place (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// What the buffer may keep for the next message.
const KEPT: usize = 256 << 10;

/// How messages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeflateOptions {
    /// From 1, the fastest, to 9, the smallest.
    pub level: u32,
    /// Bytes below which a message is sent as it is.
    pub min_bytes: u32,
}

impl Default for DeflateOptions {
    /// For JSON of 0.4 to 40 KB, level 1 leaves 38 to 60 % of it, level 3 26 to 50 % in about twice the time (11 to 23 µs for up
    /// to 3 KB), and level 9 25 to 49 %. Of 94 bytes any leaves 80 %.
    fn default() -> Self {
        Self {
            level: 3,
            min_bytes: 256,
        }
    }
}

/// Compresses messages one after the other. There is one for all connections, since nothing of a message is needed for the
/// next.
#[derive(Debug)]
pub struct Deflater {
    options: DeflateOptions,
    /// Made when the first message is to be compressed: it takes 380 KB.
    machine: Option<Box<Compress>>,
    buffer: Vec<u8>,
    counts: DeflateStats,
}

/// What a [`Deflater`] has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeflateStats {
    /// Messages that were long enough to be compressed.
    pub messages: u64,
    /// Bytes of messages that were long enough to be compressed.
    pub from_bytes: u64,
    /// What they became; those that became no smaller stayed as they were.
    pub to_bytes: u64,
}

impl Deflater {
    /// One that has compressed nothing yet.
    pub fn new(options: DeflateOptions) -> Self {
        Self {
            options,
            machine: None,
            buffer: Vec::new(),
            counts: DeflateStats::default(),
        }
    }

    /// What was compressed so far.
    pub fn counts(&self) -> DeflateStats {
        self.counts
    }

    /// Appends a message as one frame: compressed, unless it is short or would not become smaller.
    pub fn put_frame(&mut self, out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
        if payload.len() < self.options.min_bytes as usize {
            return put_frame(out, opcode, payload);
        }
        let deflated = self.deflate(payload);
        let len = deflated.map_or(payload.len(), <[u8]>::len);
        match deflated {
            Some(deflated) => {
                put_deflated_header(out, opcode, len);
                out.extend_from_slice(deflated);
            }
            None => put_frame(out, opcode, payload),
        }
        self.counts.messages += 1;
        self.counts.from_bytes += payload.len() as u64;
        self.counts.to_bytes += len as u64;
    }

    /// The payload of the compressed message, if it is smaller.
    fn deflate(&mut self, payload: &[u8]) -> Option<&[u8]> {
        let room = payload.len() + TAIL.len();
        if self.buffer.len() > KEPT.max(room) {
            self.buffer = Vec::new();
        }
        if self.buffer.len() < room {
            self.buffer.resize(room, 0);
        }
        let level = Compression::new(self.options.level);
        let machine = self
            .machine
            .get_or_insert_with(|| Box::new(Compress::new(level, false)));
        machine.reset();
        let status = machine.compress(payload, &mut self.buffer[..room], FlushCompress::Sync);
        let (taken, made) = (machine.total_in() as usize, machine.total_out() as usize);
        if !matches!(status, Ok(Status::Ok)) || taken < payload.len() {
            return None;
        }
        let deflated = self.buffer[..made].strip_suffix(&TAIL)?;
        // Then there is room left, so the flush is done.
        (deflated.len() < payload.len()).then_some(deflated)
    }
}
