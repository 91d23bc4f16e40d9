//! Reads a key set (JWKS, RFC 7517 section 5).

use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::auth::keys::Key;

/// The most keys of a set.
const MAX_KEYS: usize = 64;

/// The most characters of a text that is no key set, in an error.
const SHOWN_CHARS: usize = 40;

/// The reason why a text is not a key set that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum JwksError {
    /// The text is a page for people.
    #[error(
        "it is HTML, not a JWKS; give the address of the key set itself, which often ends in /.well-known/jwks.json"
    )]
    Html,
    /// The text is something else.
    #[error("it is not a JWKS ({{\"keys\":[…]}}) but begins with {0:?}")]
    Other(String),
    /// There are too many keys.
    #[error("it has {0} keys, but at most {MAX_KEYS} are taken; remove old ones")]
    TooMany(usize),
    /// No key can be used.
    #[error("it has no key that can be used{0}")]
    NoKey(String),
}

/// The keys of a set that can be used.
#[derive(Debug, Clone)]
pub(super) struct Jwks {
    pub(super) keys: Vec<Key>,
    /// The keys that cannot be used: `kid` and reason.
    pub(super) skipped: Vec<String>,
}

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct RawKid {
    kid: Option<String>,
}

impl Jwks {
    /// Reads a set. Keys of unknown kinds are skipped, as RFC 7517 section 5 wants.
    ///
    /// # Errors
    /// If the text is not a key set, or has no key that can be used.
    pub(super) fn parse(text: &[u8]) -> Result<Self, JwksError> {
        let raw: RawSet = serde_json::from_slice(text).map_err(|_| not_a_set(text))?;
        if raw.keys.len() > MAX_KEYS {
            return Err(JwksError::TooMany(raw.keys.len()));
        }
        let mut set = Self {
            keys: Vec::with_capacity(raw.keys.len()),
            skipped: Vec::new(),
        };
        for (index, raw) in raw.keys.iter().enumerate() {
            let key = serde_json::from_str::<Jwk>(raw.get())
                .map_err(|error| error.to_string())
                .and_then(|jwk| Key::jwk(&jwk).map_err(|error| error.to_string()));
            match key {
                Ok(key) => set.keys.push(key),
                Err(why) => set.skipped.push(format!("{}: {why}", name(index, raw))),
            }
        }
        match set.keys.is_empty() {
            true if set.skipped.is_empty() => Err(JwksError::NoKey(String::new())),
            true => Err(JwksError::NoKey(format!(": {}", set.skipped.join("; ")))),
            false => Ok(set),
        }
    }
}

fn name(index: usize, raw: &RawValue) -> String {
    let kid = serde_json::from_str::<RawKid>(raw.get()).ok();
    match kid.and_then(|raw| raw.kid) {
        Some(kid) => format!("the key {kid:?}"),
        None => format!("key {}", index + 1),
    }
}

fn not_a_set(text: &[u8]) -> JwksError {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if text.starts_with('<') {
        JwksError::Html
    } else {
        JwksError::Other(text.chars().take(SHOWN_CHARS).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Jwks::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_a_key_set_is_named() {
        for (text, part) in [
            ("<!DOCTYPE html><html>", "it is HTML"),
            ("\n  <html lang=\"en\">", "it is HTML"),
            ("", "begins with \"\""),
            ("not found", "begins with \"not found\""),
            ("{\"issuer\":\"https://login.example\"}", "begins with"),
            ("{\"keys\":[]}", "no key that can be used"),
            ("{\"keys\":{}}", "begins with"),
        ] {
            let error = error(text);
            assert!(error.contains(part), "{text}: {error}");
        }
        let many = serde_json::json!({"keys": vec![serde_json::json!({}); 65]});
        assert!(error(&many.to_string()).contains("65 keys"));
    }

    #[test]
    fn keys_that_cannot_be_used_are_skipped_and_named() {
        let short = "A".repeat(100);
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let (px, py) = (
            "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        );
        let set = serde_json::json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": x, "use": "sig", "alg": "EdDSA"},
            {"kty": "EC", "crv": "P-256", "kid": "ec", "x": px, "y": py},
            {"kty": "EC", "crv": "P-256", "kid": "off the curve", "x": px, "y": px},
            {"kty": "OKP", "crv": "X25519", "kid": "exchange", "x": x},
            {"kty": "OKP", "crv": "Ed25519", "kid": "encryption", "x": x, "use": "enc"},
            {"kty": "OKP", "crv": "Ed25519", "kid": "confused", "x": x, "alg": "HS256"},
            {"kty": "RSA", "kid": "weak", "n": short, "e": "AQAB"},
            {"kty": "RSA", "kid": "half", "e": "AQAB"},
            {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
            {"kty": "new"},
            7,
        ]});
        let set = Jwks::parse(set.to_string().as_bytes()).unwrap();
        let ids: Vec<_> = set.keys.iter().map(|key| key.id().unwrap()).collect();
        assert_eq!(ids, ["ed", "ec"]);
        for (skipped, part) in set.skipped.iter().zip([
            "\"off the curve\": its numbers",
            "\"exchange\"",
            "\"encryption\": it is for encryption",
            "\"confused\": its kind or algorithm",
            "\"weak\": an RSA key of",
            "\"half\"",
            "\"secret\": it is a shared secret",
            "key 10",
            "key 11",
        ]) {
            assert!(skipped.contains(part), "{part}: {skipped}");
        }
        assert_eq!(set.skipped.len(), 9);
    }
}
