//! The `[auth]` section of an edge's configuration.

use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::auth::error::KeyError;
use crate::auth::verifier::Verifier;
use crate::process::config::Checks;

/// The most seconds that clocks may differ by.
const MAX_LEEWAY_S: u64 = 3600;

/// The least bytes of a secret for HS256 (RFC 7518 section 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// The tokens to trust. Exactly one of `secret` and `public_key_file` is set.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// The shared secret of tokens (HS256).
    pub secret: String,
    /// A PEM file with the public key of the tokens' issuer (RS256, ES256, ES384, EdDSA).
    pub public_key_file: PathBuf,
    /// Seconds that clocks may differ by.
    pub leeway_s: u64,
    /// The `aud` that tokens must have; if empty, they must have none.
    pub audience: String,
    /// The `iss` that tokens must have; any if empty.
    pub issuer: String,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            secret: String::new(),
            public_key_file: PathBuf::new(),
            leeway_s: 10,
            audience: String::new(),
            issuer: String::new(),
        }
    }
}

/// Leaves the secret out.
impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthConfig")
            .field("public_key_file", &self.public_key_file)
            .field("leeway_s", &self.leeway_s)
            .field("audience", &self.audience)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// Why an [`AuthConfig`] does not make a [`Verifier`].
#[derive(Debug, thiserror::Error)]
pub enum AuthConfigError {
    /// Neither key is set, or both are.
    #[error("needs exactly one of `secret` and `public_key_file`")]
    OneKey,
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    File(#[from] io::Error),
    /// The key cannot be used.
    #[error("cannot be used: {0}")]
    Key(#[from] KeyError),
}

impl AuthConfig {
    /// Checks the section, which is called `section` in the configuration (`auth`).
    pub fn validate(&self, section: &str, checks: &mut Checks) {
        let leeway = format!("{section}.leeway_s");
        checks.range(&leeway, self.leeway_s, 0..=MAX_LEEWAY_S);
        let Err(why) = self.verifier() else { return };
        let key = match why {
            AuthConfigError::OneKey => section.to_owned(),
            _ => format!("{section}.public_key_file"),
        };
        checks.require(&key, false, || why.to_string());
    }

    /// Checks that the secret cannot be guessed from a token.
    pub fn advise(&self, section: &str, checks: &mut Checks) {
        let bytes = self.secret.len();
        let key = format!("{section}.secret");
        checks.require(&key, bytes == 0 || bytes >= MIN_SECRET_BYTES, || {
            format!(
                "has {bytes} bytes, but HS256 needs at least {MIN_SECRET_BYTES} (RFC 7518 section 3.2), because a shorter \
                 one can be guessed from a token; make one with: head -c 32 /dev/urandom | base64"
            )
        });
    }

    /// Makes the verifier. Reads the key's file.
    ///
    /// # Errors
    /// If neither or both keys are set, or the one that is set cannot be used.
    pub fn verifier(&self) -> Result<Verifier, AuthConfigError> {
        let file = self.public_key_file.as_os_str();
        let verifier = match (self.secret.as_str(), file.is_empty()) {
            ("", false) => Verifier::public_key(&std::fs::read(file)?)?,
            (secret, true) if !secret.is_empty() => Verifier::hs256(secret.as_bytes())?,
            _ => return Err(AuthConfigError::OneKey),
        };
        let verifier = verifier.leeway_s(self.leeway_s);
        let verifier = match self.audience.as_str() {
            "" => verifier,
            audience => verifier.audience(audience),
        };
        Ok(match self.issuer.as_str() {
            "" => verifier,
            issuer => verifier.issuer(issuer),
        })
    }
}
