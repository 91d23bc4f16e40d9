//! A game's reject.

/// Why a game refuses something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// For programs: `[a-z_]+`.
    pub code: String,
    /// For people.
    pub message: String,
}

impl Reject {
    /// A reject with its code and what to tell people.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }
}
