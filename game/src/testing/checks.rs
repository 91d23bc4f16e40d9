//! The checks of a step, and their failures.

use std::fmt;

use serde_json::Value;

/// The most bytes of a game's state, as the worker allows by default.
pub(super) const MAX_STATE_BYTES: usize = 768 * 1024;
/// The most bytes of a view or a message, so that it fits into a message of NATS.
pub(super) const MAX_MESSAGE_BYTES: usize = 768 * 1024;
/// The most characters of a value in a failure.
const SHOWN: usize = 400;

/// A check of every step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Check {
    /// The game does not panic.
    Panics,
    /// Replicas that apply the same events have the same state and the same effects.
    Replicas,
    /// A state can be stored, and read again.
    Stored,
    /// A reject leaves the state as it was.
    Rejects,
    /// Updates turn the view before a step into the view after it.
    Views,
    /// Effects can be sent, and break no rule.
    Effects,
    /// The state and the messages are not too large.
    Sizes,
}

/// A check that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The check.
    pub check: Check,
    /// The step at which it failed.
    pub step: String,
    /// The reason, for the author.
    pub message: String,
}

impl Check {
    /// A failure of this check at `step`.
    pub(super) fn fails(self, step: &str, message: impl Into<String>) -> Failure {
        Failure {
            check: self,
            step: step.to_owned(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} fails at {}: {}",
            self.check, self.step, self.message
        )
    }
}

/// Returns a value as text, cut to what fits into a failure.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
