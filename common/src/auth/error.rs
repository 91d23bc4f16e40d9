//! Why tokens and keys are refused.

use crate::envelope::MAX_JSON_DEPTH;
use crate::error::ErrorKind;

/// Why a token was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// Not three parts of base64, or not JSON inside.
    #[error("the token is not a JWT")]
    Malformed,
    /// Signed in a way that the configured key is not for.
    #[error("the token must be signed with {0}")]
    Algorithm(&'static str),
    /// Signed by somebody else, or changed since.
    #[error("the token's signature is wrong")]
    Signature,
    /// `exp` is past.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is to come.
    #[error("the token is not valid yet")]
    TooEarly,
    /// Meant for another service, or not for any.
    #[error("the token's `aud` is not this service's")]
    Audience,
    /// Made by another issuer.
    #[error("the token's `iss` is not the configured issuer")]
    Issuer,
    /// A claim that must be there is missing or of the wrong type.
    #[error("the token's `{claim}` must be {expected}")]
    Claim {
        /// Which.
        claim: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// `rooms` has an entry that means nothing.
    #[error("the token's `rooms` has {pattern:?}, which {why}")]
    Rooms {
        /// The room or prefix.
        pattern: String,
        /// What is wrong with it.
        why: RuleError,
    },
    /// A renewal for somebody else.
    #[error("the token is another player's")]
    OtherPlayer,
}

impl AuthError {
    /// What the client is told.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::OtherPlayer => ErrorKind::Forbidden,
            _ => ErrorKind::Unauthenticated,
        }
    }
}

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No secret at all.
    #[error("the secret is empty")]
    Empty,
    /// The private half: an edge must not have it.
    #[error("this is a private key; give the public key that belongs to it")]
    Private,
    /// Nothing that is understood.
    #[error("not a public key in PEM (RSA, ECDSA P-256 or P-384, Ed25519)")]
    NotPem,
}

/// What is wrong with an entry of a token's `rooms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The name.
    #[error("is neither a room id nor a prefix of one with `*` at its end")]
    Pattern,
    /// The value.
    #[error("must be \"player\", \"spectator\" or {{\"role\":…,\"options\":…}}")]
    Role,
    /// The options.
    #[error(
        "has options that nest deeper than {MAX_JSON_DEPTH} levels, or text or numbers out of range"
    )]
    Options,
}
