//! Makes and signs tokens.

use std::collections::BTreeMap;
use std::fmt;

use grandstand_types::id::PlayerId;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::auth::error::{AuthError, KeyError};
use crate::auth::keys::check_secret;
use crate::auth::rules;
use crate::envelope::Role;

/// The claims of a new token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claims {
    sub: PlayerId,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    rooms: BTreeMap<String, serde_json::Value>,
}

impl Claims {
    /// Claims for `player` that expire at `expires_s` (Unix seconds) and allow nothing yet.
    pub fn new(player: PlayerId, expires_s: u64) -> Self {
        Self {
            sub: player,
            exp: expires_s,
            iat: None,
            jti: None,
            rooms: BTreeMap::new(),
        }
    }

    /// Says when the token is issued (Unix seconds), and names it, so that it can be revoked alone.
    #[must_use]
    pub fn issued(mut self, issued_s: u64, id: &str) -> Self {
        self.iat = Some(issued_s);
        self.jti = Some(id.to_owned());
        self
    }

    /// Allows `role` in a room, or in all rooms with a prefix (`memory-*`). The game gets `options`.
    ///
    /// # Errors
    /// If `pattern` is neither a room nor a prefix of one.
    pub fn allow(
        mut self,
        pattern: &str,
        role: Role,
        options: Option<serde_json::Value>,
    ) -> Result<Self, AuthError> {
        rules::check_pattern(pattern)?;
        let rule = match options {
            None => role.as_str().into(),
            Some(options) => serde_json::json!({ "role": role, "options": options }),
        };
        self.rooms.insert(pattern.to_owned(), rule);
        Ok(self)
    }
}

/// Signs tokens with a shared secret. For `grandstand token` and tests; a game's own login service signs its own
/// tokens.
pub struct Signer(EncodingKey);

impl Signer {
    /// Signs with a shared secret (HS256).
    ///
    /// # Errors
    /// If it has fewer than 32 bytes.
    pub fn hs256(secret: &[u8]) -> Result<Self, KeyError> {
        check_secret(secret)?;
        Ok(Self(EncodingKey::from_secret(secret)))
    }

    /// Signs a token with these claims.
    ///
    /// # Panics
    /// Never: such claims serialize to JSON, and any secret signs.
    pub fn sign(&self, claims: &Claims) -> String {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.0)
            .expect("claims are JSON and the secret signs")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(HS256)")
    }
}
