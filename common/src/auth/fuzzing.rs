//! The parser of key sets, as the fuzz targets call it.

use super::jwks::Jwks;
use super::verifier::{Expected, Verifier};

/// A key set is parsed or refused with a reason, and no token is valid because of it that it did not sign.
pub fn key_set(text: &[u8], token: &str) {
    let Ok(set) = Jwks::parse(text) else {
        return;
    };
    let verifier = Verifier::new(set.keys, Expected::default());
    // A fuzzer does not find a signature.
    assert!(verifier.verify(token, 0).is_err());
}
