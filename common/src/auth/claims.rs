//! Makes and signs tokens.

use std::collections::BTreeMap;
use std::fmt;

use grandstand_types::id::{PlayerId, RoomId};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::{Value, json};

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
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    rooms: BTreeMap<String, Value>,
}

impl Claims {
    /// Claims for `player` that expire at `expires_s` (Unix seconds) and allow nothing yet.
    pub fn new(player: PlayerId, expires_s: u64) -> Self {
        Self {
            sub: player,
            exp: expires_s,
            iat: None,
            jti: None,
            iss: None,
            aud: None,
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
        options: Option<Value>,
    ) -> Result<Self, AuthError> {
        rules::check_pattern(pattern)?;
        let rule = match options {
            None => role.as_str().into(),
            Some(options) => json!({ "role": role, "options": options }),
        };
        self.rooms.insert(pattern.to_owned(), rule);
        Ok(self)
    }

    /// Allows to play in a room. The game gets `options`. A player who is the first creates the room with `params`.
    #[must_use]
    pub fn invite(mut self, room: &RoomId, options: &Value, params: Option<&Value>) -> Self {
        let mut rule = json!({ "role": Role::Player });
        if !options.is_null() {
            rule["options"] = options.clone();
        }
        if let Some(params) = params {
            rule["params"] = params.clone();
        }
        self.rooms.insert(room.to_string(), rule);
        self
    }

    /// Allows what these rules allow, which have been checked.
    pub(super) fn with_rooms(mut self, rooms: BTreeMap<String, Value>) -> Self {
        self.rooms = rooms;
        self
    }

    /// Names who has signed the token, and for whom.
    #[must_use]
    pub fn issued_by(mut self, issuer: Option<&str>, audience: Option<&str>) -> Self {
        self.iss = issuer.map(str::to_owned);
        self.aud = audience.map(str::to_owned);
        self
    }

    /// Makes the subject a service in a room, or in all rooms with a prefix.
    ///
    /// # Errors
    /// If `pattern` is neither a room nor a prefix of one.
    pub fn serve(mut self, pattern: &str) -> Result<Self, AuthError> {
        rules::check_pattern(pattern)?;
        self.rooms.insert(pattern.to_owned(), "service".into());
        Ok(self)
    }
}

/// Signs tokens: for `grandstand token`, invitations and tests. A game's own login service signs its own tokens.
#[derive(Clone)]
pub struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
}

impl Signer {
    /// Signs with a shared secret (HS256).
    ///
    /// # Errors
    /// If it has fewer than 32 bytes.
    pub fn hs256(secret: &[u8]) -> Result<Self, KeyError> {
        check_secret(secret)?;
        Ok(Self {
            key: EncodingKey::from_secret(secret),
            algorithm: Algorithm::HS256,
        })
    }

    /// Signs with a private key in a PEM file (PKCS #8; Ed25519, P-256, P-384 or RSA), which decides the algorithm: EdDSA,
    /// ES256, ES384 or RS256.
    ///
    /// # Errors
    /// If it is no such key.
    pub fn pem(pem: &[u8]) -> Result<Self, KeyError> {
        let keys = [
            (EncodingKey::from_ed_pem(pem), Algorithm::EdDSA),
            (EncodingKey::from_ec_pem(pem), Algorithm::ES256),
            (EncodingKey::from_ec_pem(pem), Algorithm::ES384),
            (EncodingKey::from_rsa_pem(pem), Algorithm::RS256),
        ];
        let mut keys = keys
            .into_iter()
            .filter_map(|(key, algorithm)| Some((key.ok()?, algorithm)));
        // A key of another curve cannot sign.
        let fits = |(key, algorithm): &(EncodingKey, Algorithm)| {
            jsonwebtoken::crypto::sign(b"", key, *algorithm).is_ok()
        };
        let (key, algorithm) = keys.find(fits).ok_or(KeyError::NotPrivate)?;
        Ok(Self { key, algorithm })
    }

    /// Signs a token with these claims.
    ///
    /// # Panics
    /// Never: such claims serialize to JSON, and a key that does not sign makes no signer.
    pub fn sign(&self, claims: &Claims) -> String {
        jsonwebtoken::encode(&Header::new(self.algorithm), claims, &self.key)
            .expect("claims are JSON and the key signs")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({:?})", self.algorithm)
    }
}
