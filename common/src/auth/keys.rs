//! Keys that verify tokens. Each key has exactly one algorithm, so that a token cannot choose how a key is used.

use std::fmt;
use std::ops::RangeInclusive;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::auth::error::{KeyError, MIN_SECRET_BYTES};

/// The bits of an RSA key: at least RFC 7518 section 3.3's, and at most what the implementation verifies.
const RSA_BITS: RangeInclusive<usize> = 2048..=4096;

/// A key that verifies tokens with one algorithm.
#[derive(Clone)]
pub struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    decoding: DecodingKey,
}

impl Key {
    /// A shared secret (HS256).
    ///
    /// # Errors
    /// If it has fewer than 32 bytes.
    pub fn secret(secret: &[u8]) -> Result<Self, KeyError> {
        check_secret(secret)?;
        Ok(Self {
            id: None,
            algorithm: Algorithm::HS256,
            decoding: DecodingKey::from_secret(secret),
        })
    }

    /// A public key. Its kind decides the algorithm: RS256, ES256, ES384 or EdDSA.
    ///
    /// # Errors
    /// If `pem` is not a public key, or one of another kind or size.
    pub fn pem(pem: &[u8]) -> Result<Self, KeyError> {
        const PRIVATE: &[u8] = b"PRIVATE KEY-----";
        if pem.windows(PRIVATE.len()).any(|part| part == PRIVATE) {
            return Err(KeyError::Private);
        }
        let (algorithm, decoding) = if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
            (Algorithm::RS256, key)
        } else if let Ok(key) = DecodingKey::from_ed_pem(pem) {
            (Algorithm::EdDSA, key)
        } else {
            let key = DecodingKey::from_ec_pem(pem).map_err(|_| KeyError::NotPem)?;
            // An uncompressed point: one byte and two coordinates.
            match key.try_get_as_bytes().map(<[u8]>::len) {
                Ok(65) => (Algorithm::ES256, key),
                Ok(97) => (Algorithm::ES384, key),
                _ => return Err(KeyError::NotPem),
            }
        };
        Self {
            id: None,
            algorithm,
            decoding,
        }
        .checked()
    }

    /// A key of a JWKS. A key with `alg` must name an algorithm that its kind has here.
    ///
    /// # Errors
    /// If the key is not for signatures, or of another kind or size.
    pub(super) fn jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        if jwk.common.public_key_use == Some(PublicKeyUse::Encryption) {
            return Err(KeyError::Encryption);
        }
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                Algorithm::ES256
            }
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => {
                Algorithm::ES384
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                Algorithm::EdDSA
            }
            AlgorithmParameters::OctetKey(_) => return Err(KeyError::Shared),
            _ => return Err(KeyError::Kind),
        };
        let named = jwk.common.key_algorithm;
        if named.is_some_and(|named| Algorithm::try_from(named).ok() != Some(algorithm)) {
            return Err(KeyError::Kind);
        }
        Self {
            id: jwk.common.key_id.clone(),
            algorithm,
            decoding: DecodingKey::from_jwk(jwk).map_err(|_| KeyError::Invalid)?,
        }
        .checked()
    }

    /// Finds keys with which every verification would fail, or that are too weak.
    fn checked(self) -> Result<Self, KeyError> {
        let numbers =
            Jwk::from_decoding_key(&self.decoding, None).map_err(|_| KeyError::Invalid)?;
        if let AlgorithmParameters::RSA(numbers) = numbers.algorithm {
            // Six bits a digit of base64.
            let bits = numbers.n.len() * 6 / 8 * 8;
            if !RSA_BITS.contains(&bits) {
                return Err(KeyError::RsaSize { bits });
            }
        }
        // A key that is no point of its curve fails here, an empty signature does not.
        jsonwebtoken::crypto::verify("", b"", &self.decoding, self.algorithm)
            .map_err(|_| KeyError::Invalid)?;
        Ok(self)
    }

    /// The key's `kid`.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The only algorithm of tokens that this key verifies.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Checks that a secret cannot be guessed from a token.
pub(super) fn check_secret(secret: &[u8]) -> Result<(), KeyError> {
    match secret.len() {
        bytes if bytes < MIN_SECRET_BYTES => Err(KeyError::Short { bytes }),
        _ => Ok(()),
    }
}
