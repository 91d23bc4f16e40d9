//! The payload of a control frame that arrives in pieces.

use crate::websocket::frame::MAX_CONTROL_PAYLOAD;

/// The payload so far.
#[derive(Debug)]
pub(super) struct Control {
    len: u8,
    payload: [u8; MAX_CONTROL_PAYLOAD],
}

impl Control {
    pub(super) fn new() -> Self {
        Self {
            len: 0,
            payload: [0; MAX_CONTROL_PAYLOAD],
        }
    }

    /// Appends a piece. The header's check keeps all pieces within the maximum.
    pub(super) fn push(&mut self, piece: &[u8]) {
        let at = usize::from(self.len);
        self.payload[at..at + piece.len()].copy_from_slice(piece);
        self.len += piece.len() as u8;
    }

    pub(super) fn payload(&self) -> &[u8] {
        &self.payload[..usize::from(self.len)]
    }
}
