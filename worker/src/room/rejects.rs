//! Rejects of a player's inputs, kept so that a repeat of an input receives the same answer (D4, D26).

use serde::{Deserialize, Serialize};

/// The most bytes of a text, the code included. Longer messages are cut.
const TEXT_BYTES: usize = 128;
/// The most bytes of a stored text besides its code and message.
const STORED_OVERHEAD: usize = 80;

/// Whether and why an input was rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptReject {
    pub(super) seq: u64,
    pub(super) code: String,
    pub(super) message: String,
    /// The sequence of the input in the log; 0 if an older build kept the reject.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) at: u64,
}

pub(super) fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl KeptReject {
    pub(super) fn stored_bytes(&self) -> usize {
        STORED_OVERHEAD + stored_len(&self.code) + stored_len(&self.message)
    }
}

/// The code and message of a reject, cut to [`TEXT_BYTES`]. `None` if not even the code fits.
pub(super) fn shortened(code: &str, message: &str) -> Option<(String, String)> {
    let left = TEXT_BYTES.checked_sub(code.len())?;
    let fits = (0..=left.min(message.len())).rev();
    let end = fits
        .into_iter()
        .find(|end| message.is_char_boundary(*end))?;
    Some((code.to_owned(), message[..end].to_owned()))
}

/// The bytes of a text in JSON.
pub(super) fn stored_len(text: &str) -> usize {
    let len = |byte| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(len).sum()
}
