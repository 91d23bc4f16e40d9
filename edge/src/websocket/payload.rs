//! What is done to payload bytes as they come in: the mask comes off, and text is checked.

/// Takes the mask off in place. `mask` is already turned so that its first byte is for the payload's first.
pub(super) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        let mut eight = [0; 8];
        eight.copy_from_slice(word);
        word.copy_from_slice(&(u64::from_ne_bytes(eight) ^ wide).to_ne_bytes());
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// Checks text that comes in pieces cut anywhere, and finds the first byte that cannot be right as soon as it comes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character whose end has not come.
    tail: [u8; 3],
    len: u8,
}

/// Not UTF-8, whatever may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadUtf8;

impl Utf8 {
    /// Takes the next piece.
    pub(super) fn handle_piece(&mut self, mut piece: &[u8]) -> Result<(), BadUtf8> {
        while self.len > 0 {
            let Some((&next, rest)) = piece.split_first() else {
                return Ok(());
            };
            piece = rest;
            let len = usize::from(self.len);
            let mut begun = [0; 4];
            begun[..len].copy_from_slice(&self.tail[..len]);
            begun[len] = next;
            self.len = 0;
            self.check(&begun[..=len])?;
        }
        self.check(piece)
    }

    /// Whether the text may end here.
    pub(super) fn is_whole(self) -> bool {
        self.len == 0
    }

    fn check(&mut self, piece: &[u8]) -> Result<(), BadUtf8> {
        let Err(error) = simdutf8::compat::from_utf8(piece) else {
            return Ok(());
        };
        if error.error_len().is_some() {
            return Err(BadUtf8);
        }
        let tail = &piece[error.valid_up_to()..];
        self.tail[..tail.len()].copy_from_slice(tail);
        self.len = tail.len() as u8;
        Ok(())
    }
}
