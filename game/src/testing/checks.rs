//! The checks of a step, and their failures.

use std::fmt;

use grandstand_types::data::Data;
use grandstand_types::scores::{self, GameScores};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::outlet::Outgoing;
use crate::reject::Reject;

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
    /// The game accepts the inputs that it chooses for its bots.
    Bots,
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

/// Checks the code of a reject.
pub(super) fn check_reject(reject: &Reject, step: &str) -> Result<(), Failure> {
    let is_code = |c: char| c.is_ascii_lowercase() || c == '_';
    if !reject.code.is_empty() && reject.code.chars().all(is_code) {
        return Ok(());
    }
    let message = format!(
        "the code {:?} of a reject is not of the form [a-z_]+",
        reject.code
    );
    Err(Check::Effects.fails(step, message))
}

/// Checks the code of a kick.
pub(super) fn check_code(code: &str, step: &str) -> Result<(), Failure> {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_code = code.starts_with(|c: char| c.is_ascii_lowercase()) && code.chars().all(is_inner);
    if is_code && code.len() <= 32 {
        return Ok(());
    }
    let message = format!(
        "the code {code:?} of a kick is not of the form [a-z][a-z0-9_]* with at most 32 bytes"
    );
    Err(Check::Effects.fails(step, message))
}

/// Checks that an item on the topic of results is one.
pub(super) fn check_result(item: &Outgoing, step: &str) -> Result<(), Failure> {
    let is_emitted = item.to.is_none() && item.due_ms.is_none();
    if !is_emitted || item.topic.as_str() != scores::TOPIC {
        return Ok(());
    }
    let read = serde_json::from_slice(&item.data).map_err(|error| error.to_string());
    let read = read.and_then(|data| GameScores::read(&data).map_err(|error| error.to_string()));
    read.map(drop).map_err(|why| {
        let message = format!("the archive refuses what the game emits on `results`: {why}");
        Check::Effects.fails(step, message)
    })
}

/// Checks that a view or a message can be sent: its size, and that a text which the game has written itself is JSON.
pub(super) fn check_data(what: &str, data: &Data, step: &str) -> Result<(), Failure> {
    let bytes = data.len();
    if bytes > MAX_MESSAGE_BYTES {
        let message = format!("{what} has {bytes} bytes, more than {MAX_MESSAGE_BYTES}");
        return Err(Check::Sizes.fails(step, message));
    }
    let read = match data {
        Data::Json(text) => serde_json::from_slice::<IgnoredAny>(text),
        Data::Binary(_) => Ok(IgnoredAny),
    };
    read.map(drop)
        .map_err(|error| Check::Effects.fails(step, format!("{what} is not JSON: {error}")))
}
