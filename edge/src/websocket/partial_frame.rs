//! A frame of which the payload arrives in pieces.

use crate::websocket::frame::Opcode;
use crate::websocket::header::Header;
use crate::websocket::payload;

/// A frame whose header is known and whose payload is incomplete.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartialFrame {
    pub(super) opcode: Opcode,
    pub(super) fin: bool,
    /// Whether part of the payload has been taken.
    pub(super) begun: bool,
    /// Bytes of the payload that have not been taken.
    pub(super) left: u32,
    mask: [u8; 4],
}

impl PartialFrame {
    /// Creates a frame with a payload of `left` bytes.
    pub(super) fn new(header: Header, left: u32) -> Self {
        Self {
            opcode: header.opcode,
            fin: header.fin,
            begun: false,
            left,
            mask: header.mask,
        }
    }

    /// Takes the next piece of the payload from `input`, unmasked in place. Returns the piece and the rest of the frame;
    /// `None` if the payload is complete.
    pub(super) fn take_piece<'b>(self, input: &mut &'b mut [u8]) -> (&'b mut [u8], Option<Self>) {
        let here = input
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let (piece, rest) = std::mem::take(input).split_at_mut(here);
        *input = rest;
        payload::unmask(piece, self.mask);
        if here == self.left as usize {
            return (piece, None);
        }
        let mut mask = self.mask;
        mask.rotate_left(here % 4);
        let rest = Self {
            left: self.left - here as u32,
            mask,
            begun: true,
            ..self
        };
        (piece, Some(rest))
    }
}
