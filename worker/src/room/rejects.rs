//! Rejects of a player's inputs, kept so that a repeat of an input receives the same answer (D4, D26).

use grandstand_common::error::ErrorKind;
use grandstand_common::wire;
use grandstand_game::Reject;
use serde::{Deserialize, Serialize};

use super::players::Player;

/// The number of inputs before the last one that may still be repeated: the window of an edge.
const WINDOW: u64 = 64;
/// The most texts kept per player.
const KEPT_TEXTS: usize = 8;
/// The most bytes of a text, the code included. Longer messages are cut.
const TEXT_BYTES: usize = 128;
/// The most bytes of a stored text besides its code and message.
const STORED_OVERHEAD: usize = 80;

/// Whether and why an input was rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptReject {
    seq: u64,
    code: String,
    message: String,
    /// The sequence of the input in the log; 0 if an older build kept the reject.
    #[serde(default, skip_serializing_if = "is_zero")]
    at: u64,
}

pub(super) fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl KeptReject {
    fn stored_bytes(&self) -> usize {
        STORED_OVERHEAD + stored_len(&self.code) + stored_len(&self.message)
    }
}

/// The code and message of a reject, cut to [`TEXT_BYTES`]. `None` if not even the code fits.
pub(super) fn shortened(code: &str, message: &str) -> Option<(String, String)> {
    let left = TEXT_BYTES.checked_sub(code.len())?;
    let end = message.floor_char_boundary(left);
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

impl Player {
    /// Makes `seq` the last input. Forgets texts that are not needed any more, and returns their stored bytes.
    pub(super) fn advance(&mut self, seq: u64) -> usize {
        let steps = u32::try_from(seq - self.last_seq).unwrap_or(u32::MAX);
        self.refused_seqs = self.refused_seqs.checked_shl(steps).unwrap_or(0);
        self.last_seq = seq;
        let mut freed = 0;
        while let Some(kept) = self.rejects.pop_front_if(|kept| kept.seq + WINDOW <= seq) {
            freed += kept.stored_bytes();
        }
        freed
    }

    /// Notes that the last input, with sequence `at` in the log, was rejected. Returns the growth in stored bytes.
    pub(super) fn keep_reject(&mut self, reject: &Reject, at: u64) -> isize {
        self.refused_seqs |= 1;
        let Some((code, message)) = shortened(&reject.code, &reject.message) else {
            return 0;
        };
        let freed = match self.rejects.len() {
            KEPT_TEXTS.. => self.drop_oldest_text(),
            _ => 0,
        };
        let kept = KeptReject {
            seq: self.last_seq,
            code,
            message,
            at,
        };
        let bytes = kept.stored_bytes();
        self.rejects.push_back(kept);
        bytes.cast_signed() - freed.cast_signed()
    }

    /// The sequence in the log of the input whose text is the oldest.
    pub(super) fn oldest_text(&self) -> Option<u64> {
        self.rejects.front().map(|kept| kept.at)
    }

    /// Forgets the oldest text, and returns its stored bytes.
    pub(super) fn drop_oldest_text(&mut self) -> usize {
        self.rejects
            .pop_front()
            .map_or(0, |kept| kept.stored_bytes())
    }

    /// Forgets all texts, and returns their stored bytes.
    pub(super) fn drop_texts(&mut self) -> usize {
        let freed = self.text_bytes();
        self.rejects.clear();
        freed
    }

    /// The stored bytes of all texts.
    pub(super) fn text_bytes(&self) -> usize {
        self.rejects.iter().map(KeptReject::stored_bytes).sum()
    }

    /// Brings the rejects that any build stored into the form and the bounds of this one.
    pub(super) fn restore_rejects(&mut self) {
        let last_seq = self.last_seq;
        self.rejects
            .retain(|kept| kept.seq <= last_seq && kept.seq + WINDOW > last_seq);
        for kept in &self.rejects {
            self.refused_seqs |= 1 << (last_seq - kept.seq);
        }
        if self.is_left() {
            self.rejects.clear();
        }
        self.rejects
            .retain_mut(|kept| match shortened(&kept.code, &kept.message) {
                Some((_, message)) => {
                    kept.message = message;
                    true
                }
                None => false,
            });
        let excess = self.rejects.len().saturating_sub(KEPT_TEXTS);
        self.rejects.drain(..excess);
    }

    /// The answer to a repeat of an input; `None` if it was not rejected, or is too old to be repeated.
    pub(super) fn rejected(&self, seq: u64) -> Option<wire::Rejected> {
        let age = self.last_seq.checked_sub(seq).filter(|&age| age < WINDOW)?;
        if self.refused_seqs & (1 << age) == 0 {
            return None;
        }
        let text = self.rejects.iter().find(|kept| kept.seq == seq);
        let (code, message) = match text {
            Some(kept) => (kept.code.clone(), kept.message.clone()),
            None => (ErrorKind::Rejected.code().to_owned(), String::new()),
        };
        Some(wire::Rejected {
            session: self.session.0,
            seq,
            code,
            message,
        })
    }

    /// The answers to all inputs that were rejected and may be repeated, oldest first.
    pub(crate) fn all_rejected(&self) -> impl Iterator<Item = wire::Rejected> {
        let first = self.last_seq.saturating_sub(WINDOW - 1).max(1);
        (first..=self.last_seq).filter_map(|seq| self.rejected(seq))
    }
}
