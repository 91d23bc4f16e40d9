//! The renewal and the expiry of a client's token.

use grandstand_common::auth::AuthError;
use grandstand_common::error::ErrorKind;

use crate::limits::Refused;

/// The time after which a client may send a token with an unknown key again.
const UNKNOWN_KEY_RETRY_MS: u64 = 2000;

/// The result of a token's check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenEvent {
    /// The token expires within a minute.
    ExpiresSoon,
    /// The token has expired.
    Expired,
}

/// The reason why a token was not renewed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenewError {
    /// No verifier is configured.
    #[error("this edge accepts no tokens, because it has no key to verify them")]
    NoVerifier,
    /// The token is invalid, or grants less than the one before.
    #[error(transparent)]
    Token(#[from] AuthError),
    /// The former token named no player, and the player of the new one has too many connections.
    #[error("this player has too many connections; close one first")]
    Limit(Refused),
}

impl From<Refused> for RenewError {
    fn from(refused: Refused) -> Self {
        Self::Limit(refused)
    }
}

impl RenewError {
    /// The error's class.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::NoVerifier => ErrorKind::Unauthenticated,
            Self::Token(error) => error.kind(),
            Self::Limit(_) => ErrorKind::RateLimited,
        }
    }

    /// The milliseconds after which the token may be accepted.
    pub(crate) fn retry_after_ms(&self) -> Option<u64> {
        match self {
            // The key set may have been read by then.
            Self::Token(AuthError::UnknownKey) => Some(UNKNOWN_KEY_RETRY_MS),
            Self::Limit(refused) => Some(refused.retry_after_ms()),
            _ => None,
        }
    }
}
