//! Who a client is, and what it may do in which room: signed tokens (JWT, RFC 7519).
//!
//! A token that is missing or cannot be trusted is [`ErrorKind::Unauthenticated`](crate::error::ErrorKind::Unauthenticated); a good one that does not allow
//! something is [`ErrorKind::Forbidden`](crate::error::ErrorKind::Forbidden).

mod error;

mod rules;

mod grants;

mod verifier;

mod claims;

mod config;

#[cfg(test)]
mod tests;

pub use self::claims::{Claims, Signer};
pub use self::config::{AuthConfig, AuthConfigError};
pub use self::error::{AuthError, KeyError, RuleError};
pub use self::grants::{Grants, GrantsCache};
pub use self::verifier::Verifier;
