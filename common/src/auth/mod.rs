//! Signed tokens (JWT, RFC 7519): the player behind a connection and the player's role in each room.
//!
//! A missing or invalid token is [`ErrorKind::Unauthenticated`](crate::error::ErrorKind::Unauthenticated). A valid
//! token that does not allow something is [`ErrorKind::Forbidden`](crate::error::ErrorKind::Forbidden).

mod error;

mod rules;

mod player;

mod token_hash;

mod grants;

mod revocations;

mod keys;

mod verifier;

mod jwks;

mod https;

mod jwks_source;

mod key_set;

mod claims;

mod token_issuer;

mod config;

mod inviter;

#[cfg(feature = "fuzzing")]
pub mod fuzzing;

#[cfg(test)]
mod tests;

pub use self::claims::{Claims, Signer};
pub use self::config::{AuthConfig, AuthConfigError};
pub use self::error::{AuthError, KeyError, RuleError};
pub use self::grants::{Grants, GrantsCache};
pub use self::inviter::{Inviter, SigningConfig};
pub use self::jwks_source::{JwksSource, ReadError, SourceError};
pub use self::key_set::{KeySet, KeySetMetrics, KeySetSettings, Reads};
pub use self::keys::Key;
pub use self::player::player_name;
pub use self::revocations::{MAX_REVOCATIONS, MAX_TOKEN_ID_BYTES, Revocation, Revocations, Target};
pub use self::rules::RoomGrant;
pub use self::token_issuer::{IssueError, IssuedToken, TokenIssuer, TokenWish};
pub use self::verifier::{Expected, Verifier};
