//! Rejects of inputs, joins and new rooms.

use std::borrow::Cow;

/// The reason for which a game rejects an input, a join or the parameters of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The reason for programs, `[a-z_]+`.
    pub code: Cow<'static, str>,
    /// The reason for people.
    pub message: String,
}

/// The result of a handler: whether the game accepts the event.
pub type Verdict = Result<(), Reject>;

impl Reject {
    /// A reject with `code` and `message`.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }
}
