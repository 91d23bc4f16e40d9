//! The reasons why tokens and keys are refused.

use crate::envelope::MAX_JSON_DEPTH;
use crate::error::ErrorKind;

/// The least bytes of a secret for HS256 (RFC 7518 section 3.2).
pub(super) const MIN_SECRET_BYTES: usize = 32;

/// The reason why a token was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The token is not three parts of base64, or has no JSON inside.
    #[error("the token is not a JWT")]
    Malformed,
    /// No configured key has the token's algorithm.
    #[error("the token must be signed with {0}")]
    Algorithm(String),
    /// No key has the token's `kid`.
    #[error(
        "no key of this edge has the `kid` of the token, or the only key for its algorithm; get a new token, or try again soon if \
         the key is new"
    )]
    UnknownKey,
    /// The header has `crit` (RFC 7515 section 4.1.11).
    #[error("the token's header has `crit`, but this edge knows no extensions of tokens")]
    Critical,
    /// The signature was made with another key, or the token was changed.
    #[error("the token's signature is wrong")]
    Signature,
    /// `exp` is in the past.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is in the future.
    #[error("the token is not valid yet")]
    TooEarly,
    /// The token is for another service, or for none.
    #[error("the token's `aud` is not this service's")]
    Audience,
    /// Another issuer made the token.
    #[error("the token's `iss` is not the configured issuer")]
    Issuer,
    /// A required claim is missing or has the wrong type.
    #[error("the token's `{claim}` must be {expected}")]
    Claim {
        /// The claim's name.
        claim: &'static str,
        /// The value that it must have.
        expected: &'static str,
    },
    /// An entry of `rooms` is invalid.
    #[error("the token's `rooms` has {pattern:?}, which {why}")]
    Rooms {
        /// The entry's room or prefix.
        pattern: String,
        /// The fault of the entry.
        why: RuleError,
    },
    /// The token, or all tokens of the player, are revoked.
    #[error("the token was revoked")]
    Revoked,
    /// The renewal is for another player.
    #[error("the token is another player's")]
    OtherPlayer,
}

impl AuthError {
    /// The kind of error for the client.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::OtherPlayer => ErrorKind::Forbidden,
            Self::Revoked => ErrorKind::Revoked,
            _ => ErrorKind::Unauthenticated,
        }
    }
}

/// The reason why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The secret is too short.
    #[error(
        "has {bytes} bytes, but HS256 needs at least {MIN_SECRET_BYTES} (RFC 7518 section 3.2), because a shorter secret can be \
         guessed from a token; make one with: head -c 32 /dev/urandom | base64"
    )]
    Short {
        /// The number of its bytes.
        bytes: usize,
    },
    /// The key is private: an edge must not have it.
    #[error("this is a private key; give the public key that belongs to it")]
    Private,
    /// The text is not a private key of a known kind.
    #[error("not a private key in PEM (PKCS #8; RSA, ECDSA P-256 or P-384, Ed25519)")]
    NotPrivate,
    /// The text is not a public key of a known kind.
    #[error("not a public key in PEM (RSA, ECDSA P-256 or P-384, Ed25519)")]
    NotPem,
    /// The RSA key is too short, or longer than can be verified.
    #[error("an RSA key of {bits} bits; it must have 2048 to 4096")]
    RsaSize {
        /// The bits of its modulus.
        bits: usize,
    },
    /// The numbers of the key are not a key of its kind.
    #[error("its numbers are no valid public key")]
    Invalid,
    /// A key for encryption.
    #[error("it is for encryption (`use`)")]
    Encryption,
    /// A shared secret in a key set, with which every reader of the set could sign.
    #[error("it is a shared secret; configure `auth.secret` instead")]
    Shared,
    /// A kind of key, or an algorithm, that no token may use.
    #[error("its kind or algorithm is none of RS256, ES256, ES384 and EdDSA")]
    Kind,
}

/// The reason why an entry of a token's `rooms` is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The name is neither a room nor a prefix.
    #[error("is neither a room id nor a prefix of one with `*` at its end")]
    Pattern,
    /// The value is not a role.
    #[error("must be \"player\", \"spectator\", \"service\" or {{\"role\":…,\"options\":…}}")]
    Role,
    /// The options cannot be passed on.
    #[error(
        "has options that nest deeper than {MAX_JSON_DEPTH} levels, or text or numbers out of range"
    )]
    Options,
    /// The params are no object, or cannot be passed on.
    #[error(
        "has params that are no object, nest deeper than {MAX_JSON_DEPTH} levels, or have text or numbers out of range"
    )]
    Params,
}
