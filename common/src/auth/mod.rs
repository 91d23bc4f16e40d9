//! Who a client is, and what it may do in which room: signed tokens (JWT, RFC 7519).
//!
//! A token that is missing or cannot be trusted is [`ErrorKind::Unauthenticated`]; a good one that does not allow
//! something is [`ErrorKind::Forbidden`].

mod rules;

mod section;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use jsonwebtoken::errors::ErrorKind as JwtError;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::envelope::Role;
use crate::error::ErrorKind;
use grandstand_types::id::{PlayerId, RoomId};

pub use rules::Kept;
pub use rules::RuleError;
use rules::Rules;
pub use section::{AuthConfig, AuthConfigError};

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

/// Checks tokens.
#[derive(Clone)]
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
    algorithm: &'static str,
    leeway_ms: u64,
}

impl Verifier {
    /// For tokens that are signed with a shared secret (HS256).
    ///
    /// # Errors
    /// If the secret is empty.
    pub fn hs256(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.is_empty() {
            return Err(KeyError::Empty);
        }
        let key = DecodingKey::from_secret(secret);
        Ok(Self::new(key, Algorithm::HS256, "HS256"))
    }

    /// For tokens that are signed with the private half of this public key: RS256, ES256 (or ES384) or EdDSA, which the
    /// key decides.
    ///
    /// # Errors
    /// If it is no public key, or of no such kind.
    pub fn public_key(pem: &[u8]) -> Result<Self, KeyError> {
        const PRIVATE: &[u8] = b"PRIVATE KEY-----";
        if pem.windows(PRIVATE.len()).any(|part| part == PRIVATE) {
            return Err(KeyError::Private);
        }
        if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
            return Ok(Self::new(key, Algorithm::RS256, "RS256"));
        }
        if let Ok(key) = DecodingKey::from_ed_pem(pem) {
            return Ok(Self::new(key, Algorithm::EdDSA, "EdDSA"));
        }
        let key = DecodingKey::from_ec_pem(pem).map_err(|_| KeyError::NotPem)?;
        // An uncompressed point: one byte and two coordinates.
        match key.try_get_as_bytes().map(<[u8]>::len) {
            Ok(65) => Ok(Self::new(key, Algorithm::ES256, "ES256")),
            Ok(97) => Ok(Self::new(key, Algorithm::ES384, "ES384")),
            _ => Err(KeyError::NotPem),
        }
    }

    fn new(key: DecodingKey, algorithm: Algorithm, name: &'static str) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        // Checked here, against the caller's clock.
        validation.validate_exp = false;
        Self {
            key,
            validation,
            algorithm: name,
            leeway_ms: 0,
        }
    }

    /// Allows clocks to differ by this much.
    #[must_use]
    pub fn leeway_s(mut self, leeway_s: u64) -> Self {
        self.leeway_ms = leeway_s.saturating_mul(1000);
        self
    }

    /// Takes only tokens whose `aud` is, or has, this. Without it tokens that have an `aud` are refused (RFC 7519
    /// section 4.1.3).
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.validation.set_audience(&[audience]);
        self.validation
            .required_spec_claims
            .insert("aud".to_owned());
        self
    }

    /// Takes only tokens whose `iss` is this.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.validation.set_issuer(&[issuer]);
        self.validation
            .required_spec_claims
            .insert("iss".to_owned());
        self
    }

    /// Says what `token` grants at `now_ms` (Unix).
    ///
    /// # Errors
    /// Says why it grants nothing.
    pub fn verify(&self, token: &str, now_ms: u64) -> Result<Grants, AuthError> {
        let data = jsonwebtoken::decode::<Received>(token, &self.key, &self.validation)
            .map_err(|why| self.reason(why.kind()))?;
        let claims = data.claims;
        let expires_ms = millis(claims.exp.as_ref()).ok_or(AuthError::Claim {
            claim: "exp",
            expected: "a time in Unix seconds",
        })?;
        let last_ms = expires_ms.saturating_add(self.leeway_ms);
        if last_ms <= now_ms {
            return Err(AuthError::Expired);
        }
        // One that is good only by the leeway is good as long as that lasts.
        let expires_ms = match expires_ms <= now_ms {
            true => last_ms,
            false => expires_ms,
        };
        if let Some(from) = &claims.nbf {
            let from_ms = millis(Some(from)).ok_or(AuthError::Claim {
                claim: "nbf",
                expected: "a time in Unix seconds",
            })?;
            if from_ms > now_ms.saturating_add(self.leeway_ms) {
                return Err(AuthError::TooEarly);
            }
        }
        let player = text(claims.sub.as_deref()).and_then(|sub| sub.parse().ok());
        Ok(Grants {
            player: player.ok_or(AuthError::Claim {
                claim: "sub",
                expected: "a player's name, printable and of at most 128 bytes",
            })?,
            expires_ms: Some(expires_ms),
            rooms: Rules::parse(claims.rooms.as_deref())?,
        })
    }

    fn reason(&self, error: &JwtError) -> AuthError {
        match error {
            JwtError::InvalidSignature => AuthError::Signature,
            JwtError::InvalidAlgorithm | JwtError::InvalidAlgorithmName => {
                AuthError::Algorithm(self.algorithm)
            }
            JwtError::InvalidAudience => AuthError::Audience,
            JwtError::InvalidIssuer => AuthError::Issuer,
            JwtError::MissingRequiredClaim(claim) if claim == "aud" => AuthError::Audience,
            JwtError::MissingRequiredClaim(claim) if claim == "iss" => AuthError::Issuer,
            _ => AuthError::Malformed,
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// The claims as they stand in a token, so that each that is wrong can be named.
#[derive(Deserialize)]
struct Received {
    sub: Option<Box<RawValue>>,
    exp: Option<Box<RawValue>>,
    nbf: Option<Box<RawValue>>,
    rooms: Option<Box<RawValue>>,
}

fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

/// A NumericDate (RFC 7519 section 2: seconds, maybe with a fraction) in milliseconds.
fn millis(raw: Option<impl AsRef<RawValue>>) -> Option<u64> {
    let seconds: f64 = serde_json::from_str(raw?.as_ref().get()).ok()?;
    (seconds.is_finite() && seconds >= 0.0).then_some((seconds * 1000.0) as u64)
}

/// What a verified token grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    player: PlayerId,
    expires_ms: Option<u64>,
    rooms: Rules,
}

impl Grants {
    /// Everything, for ever, without a token: only for `grandstand dev`, where `?user=` is trusted.
    pub fn trusted(player: PlayerId) -> Self {
        Self {
            player,
            expires_ms: None,
            rooms: Rules::everything(),
        }
    }

    /// Who it is.
    pub fn player(&self) -> &PlayerId {
        &self.player
    }

    /// When it ends, Unix milliseconds, before any leeway; never if `None`.
    pub fn expires_ms(&self) -> Option<u64> {
        self.expires_ms
    }

    /// The most that the client may be in a room, and what its token tells the game (one JSON value as text). `None` is
    /// [`ErrorKind::Forbidden`].
    pub fn role(&self, room: &RoomId) -> Option<(Role, Option<Bytes>)> {
        self.rooms.find(room)
    }

    /// Whether this may take the place of `old` on a connection.
    ///
    /// # Errors
    /// If it is another player's.
    pub fn renews(&self, old: &Self) -> Result<(), AuthError> {
        if self.player == old.player {
            Ok(())
        } else {
            Err(AuthError::OtherPlayer)
        }
    }
}

/// The claims of a token to be made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claims {
    sub: PlayerId,
    exp: u64,
    rooms: BTreeMap<String, serde_json::Value>,
}

impl Claims {
    /// A token for `player` that ends at `expires_s` (Unix seconds) and allows nothing yet.
    pub fn new(player: PlayerId, expires_s: u64) -> Self {
        Self {
            sub: player,
            exp: expires_s,
            rooms: BTreeMap::new(),
        }
    }

    /// Allows `role` in a room, or in all rooms with a prefix (`memory-*`). `options` reach the game.
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

/// Makes tokens, with a shared secret: for `grandstand token` and tests. A game's own login signs its own.
pub struct Signer(EncodingKey);

impl Signer {
    /// Signs with a shared secret (HS256).
    ///
    /// # Errors
    /// If the secret is empty.
    pub fn hs256(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.is_empty() {
            return Err(KeyError::Empty);
        }
        Ok(Self(EncodingKey::from_secret(secret)))
    }

    /// The token with these claims.
    ///
    /// # Panics
    /// Never: such claims can always be written as JSON, and any secret signs.
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
