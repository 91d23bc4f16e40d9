//! Verifies tokens with the configured key.

use std::fmt;

use jsonwebtoken::errors::ErrorKind as JwtError;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::auth::error::{AuthError, KeyError};
use crate::auth::grants::Grants;
use crate::auth::player::player_name;
use crate::auth::rules::Rules;

/// Verifies tokens.
#[derive(Clone)]
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
    algorithm: &'static str,
    leeway_ms: u64,
}

impl Verifier {
    /// Verifies tokens with a shared secret (HS256).
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

    /// Verifies tokens with a public key. The key decides the algorithm: RS256, ES256, ES384 or EdDSA.
    ///
    /// # Errors
    /// If `pem` is not a public key, or one of another kind.
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
        // `verify` checks it against the caller's clock.
        validation.validate_exp = false;
        Self {
            key,
            validation,
            algorithm: name,
            leeway_ms: 0,
        }
    }

    /// Tolerates clocks that differ by this many seconds.
    #[must_use]
    pub fn leeway_s(mut self, leeway_s: u64) -> Self {
        self.leeway_ms = leeway_s.saturating_mul(1000);
        self
    }

    /// Accepts only tokens whose `aud` is or contains `audience`. Without this, tokens with an `aud` are refused (RFC
    /// 7519 section 4.1.3).
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.validation.set_audience(&[audience]);
        self.validation
            .required_spec_claims
            .insert("aud".to_owned());
        self
    }

    /// Accepts only tokens whose `iss` is `issuer`.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.validation.set_issuer(&[issuer]);
        self.validation
            .required_spec_claims
            .insert("iss".to_owned());
        self
    }

    /// Verifies `token` at `now_ms` (Unix).
    ///
    /// # Errors
    /// Why the token was refused.
    pub fn verify(&self, token: &str, now_ms: u64) -> Result<Grants, AuthError> {
        let data = jsonwebtoken::decode::<RawClaims>(token, &self.key, &self.validation)
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
        // A token that is valid only by the leeway is valid until the leeway ends.
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
        let player = text(claims.sub.as_deref()).and_then(|sub| player_name(&sub).ok());
        let player = player.ok_or(AuthError::Claim {
            claim: "sub",
            expected: "a player's name of at most 128 bytes, without control and format characters",
        })?;
        let rooms = Rules::parse(claims.rooms.as_deref())?;
        Ok(Grants::new(player, expires_ms, rooms))
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

/// The claims of a token, each as raw JSON, so that an error can name the invalid one.
#[derive(Deserialize)]
struct RawClaims {
    sub: Option<Box<RawValue>>,
    exp: Option<Box<RawValue>>,
    nbf: Option<Box<RawValue>>,
    rooms: Option<Box<RawValue>>,
}

fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

/// Converts a NumericDate (RFC 7519 section 2: seconds, possibly with a fraction) to milliseconds.
fn millis(raw: Option<impl AsRef<RawValue>>) -> Option<u64> {
    let seconds: f64 = serde_json::from_str(raw?.as_ref().get()).ok()?;
    (seconds.is_finite() && seconds >= 0.0).then_some((seconds * 1000.0) as u64)
}
