//! Checks tokens against the configured key.

use std::fmt;

use jsonwebtoken::errors::ErrorKind as JwtError;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::auth::error::{AuthError, KeyError};
use crate::auth::grants::Grants;
use crate::auth::rules::Rules;

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
        let player = player.ok_or(AuthError::Claim {
            claim: "sub",
            expected: "a player's name, printable and of at most 128 bytes",
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

/// The claims as they stand in a token, so that each that is wrong can be named.
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

/// A NumericDate (RFC 7519 section 2: seconds, maybe with a fraction) in milliseconds.
fn millis(raw: Option<impl AsRef<RawValue>>) -> Option<u64> {
    let seconds: f64 = serde_json::from_str(raw?.as_ref().get()).ok()?;
    (seconds.is_finite() && seconds >= 0.0).then_some((seconds * 1000.0) as u64)
}
