//! Versions of a game's state: reading the states that earlier builds stored.

/// The reason why a game cannot read a state of an earlier version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Outdated {
    /// The reason, for the author.
    pub message: String,
}

impl Outdated {
    /// An error with this text.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

/// The error of a state that does not have the shape that [`Game::migrate`](crate::Game::migrate) reads.
impl From<serde_json::Error> for Outdated {
    fn from(error: serde_json::Error) -> Self {
        Self::new(error.to_string())
    }
}
