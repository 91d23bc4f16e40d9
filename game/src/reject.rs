//! Rejects of inputs, joins and new rooms.

/// The reason for which a game rejects an input, a join or the parameters of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The reason for programs, `[a-z_]+`.
    pub code: String,
    /// The reason for people.
    pub message: String,
}

impl Reject {
    /// A reject with `code` and `message`.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }
}
