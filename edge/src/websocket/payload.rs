//! Unmasks payload bytes and validates text as they arrive.

/// Unmasks `payload` in place. `mask` is rotated so that its first byte applies to the payload's first byte; it is zero for
/// a payload that is not masked.
pub(super) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    if mask == [0; 4] {
        return;
    }
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

/// Validates text that is complete.
pub(super) fn text(payload: &[u8]) -> Result<&str, BadUtf8> {
    simdutf8::basic::from_utf8(payload).map_err(|_| BadUtf8)
}

/// Validates UTF-8 in pieces that may be split anywhere. Reports an error at the first byte that makes the text invalid.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Utf8 {
    /// The first bytes of an incomplete character.
    tail: [u8; 3],
    len: u8,
}

/// The text is not UTF-8, whatever bytes may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadUtf8;

impl Utf8 {
    /// Validates the next piece.
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

    /// Whether the text ends at a character's boundary.
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
