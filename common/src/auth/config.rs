//! The `[auth]` section of an edge's configuration.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::auth::claims::Signer;
use crate::auth::error::KeyError;
use crate::auth::jwks_source::{JwksSource, SourceError};
use crate::auth::key_set::KeySetSettings;
use crate::auth::keys::Key;
use crate::auth::token_issuer::TokenIssuer;
use crate::auth::verifier::{Expected, Verifier};
use crate::file;
use crate::process::config::Checks;

/// The most seconds that clocks may differ by.
const MAX_LEEWAY_S: u64 = 3600;

/// The tokens to trust. At least one key is configured.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// The shared secret of tokens (HS256).
    pub secret: String,
    /// Another secret, whose tokens are valid as well while secrets are being exchanged.
    pub previous_secret: String,
    /// PEM files with a public key each of the tokens' issuers (RS256, ES256, ES384, EdDSA).
    pub public_key_files: Vec<PathBuf>,
    /// The issuer's key set (JWKS): an https address, or a file.
    pub jwks: String,
    /// A PEM file with the certificates to trust for that address; the system's if empty.
    pub jwks_ca_file: PathBuf,
    /// Seconds between two reads of the key set.
    pub jwks_refresh_s: u64,
    /// Seconds between two reads that tokens with an unknown `kid` cause.
    pub jwks_min_refresh_s: u64,
    /// Whether clients without a token may watch all rooms.
    pub anonymous_spectators: bool,
    /// Seconds that clocks may differ by.
    pub leeway_s: u64,
    /// The `aud` that tokens must have; if empty, they must have none.
    pub audience: String,
    /// The `iss` that tokens must have; any if empty.
    pub issuer: String,
    /// A PEM file with the private key of tokens that the edge signs for services; without it, it signs none.
    pub signing_key_file: PathBuf,
    /// The most seconds for which such a token is valid.
    pub longest_token_s: u64,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            secret: String::new(),
            previous_secret: String::new(),
            public_key_files: Vec::new(),
            jwks: String::new(),
            jwks_ca_file: PathBuf::new(),
            jwks_refresh_s: 300,
            jwks_min_refresh_s: 10,
            anonymous_spectators: false,
            leeway_s: 10,
            audience: String::new(),
            issuer: String::new(),
            signing_key_file: PathBuf::new(),
            longest_token_s: 86_400,
        }
    }
}

/// Leaves the secrets out.
impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthConfig")
            .field("public_key_files", &self.public_key_files)
            .field("jwks", &self.jwks)
            .field("jwks_ca_file", &self.jwks_ca_file)
            .field("jwks_refresh_s", &self.jwks_refresh_s)
            .field("jwks_min_refresh_s", &self.jwks_min_refresh_s)
            .field("anonymous_spectators", &self.anonymous_spectators)
            .field("leeway_s", &self.leeway_s)
            .field("audience", &self.audience)
            .field("issuer", &self.issuer)
            .field("signing_key_file", &self.signing_key_file)
            .field("longest_token_s", &self.longest_token_s)
            .finish_non_exhaustive()
    }
}

/// The reason why an [`AuthConfig`] does not make a [`Verifier`].
#[derive(Debug, thiserror::Error)]
pub enum AuthConfigError {
    /// No key is set.
    #[error(
        "needs a key that tokens are verified with: set `secret`, `public_key_files` or `jwks`"
    )]
    NoKey,
    /// A secret cannot be used.
    #[error("{1}")]
    Secret(&'static str, KeyError),
    /// A file cannot be read.
    #[error("{path} cannot be read: {why}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: io::Error,
    },
    /// A key cannot be used.
    #[error("{path} cannot be used: {why}", path = .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: KeyError,
    },
    /// The edge does not trust the key with which it signs.
    #[error(
        "the edge does not trust the tokens that {path} signs: add the public key to `public_key_files`", path = .path.display()
    )]
    Untrusted {
        /// The file of the private key.
        path: PathBuf,
    },
    /// The source of the key set cannot be used.
    #[error("{0}")]
    Jwks(SourceError),
}

impl AuthConfigError {
    /// The key of the section that is wrong; `None` if it is the whole section.
    fn key(&self) -> Option<&'static str> {
        match self {
            Self::NoKey => None,
            Self::Secret(key, _) => Some(key),
            Self::Untrusted { .. } => Some("signing_key_file"),
            Self::File { .. } | Self::Key { .. } => Some("public_key_files"),
            Self::Jwks(error) => Some(error.key()),
        }
    }
}

impl AuthConfig {
    /// Checks the section, which is called `section` in the configuration (`auth`).
    pub fn validate(&self, section: &str, checks: &mut Checks) {
        let range = |checks: &mut Checks, key: &str, value, range| {
            checks.range(&format!("{section}.{key}"), value, range);
        };
        range(checks, "leeway_s", self.leeway_s, 0..=MAX_LEEWAY_S);
        range(checks, "jwks_refresh_s", self.jwks_refresh_s, 1..=86_400);
        let least = self.jwks_min_refresh_s;
        range(
            checks,
            "jwks_min_refresh_s",
            least,
            1..=self.jwks_refresh_s.max(1),
        );
        range(
            checks,
            "longest_token_s",
            self.longest_token_s,
            1..=2_592_000,
        );
        if let Err(why) = self.token_issuer() {
            checks.require(&format!("{section}.signing_key_file"), false, || {
                why.to_string()
            });
        }
        let found = self.verifier().err().into_iter().chain(self.jwks().err());
        for why in found {
            let key = match why.key() {
                Some(key) => format!("{section}.{key}"),
                None => section.to_owned(),
            };
            checks.require(&key, false, || why.to_string());
        }
    }

    /// Finds a key set in a file that cannot be used yet, which does not stop a start.
    pub fn advise(&self, section: &str, checks: &mut Checks) {
        if let Ok(Some(source)) = self.jwks()
            && let Err(why) = source.check()
        {
            checks.require(&format!("{section}.jwks"), false, || why.to_string());
        }
    }

    /// Makes the verifier. Reads the keys' files, but not the key set.
    ///
    /// # Errors
    /// If there is no key, or one cannot be used.
    pub fn verifier(&self) -> Result<Verifier, AuthConfigError> {
        Ok(Verifier::new(self.keys()?, self.expected()))
    }

    /// Replaces the configured keys and the expected claims of a running verifier by those of this section, but not the key
    /// set.
    ///
    /// # Errors
    /// As [`verifier`](Self::verifier); then nothing is replaced.
    pub fn apply(&self, verifier: &Verifier) -> Result<(), AuthConfigError> {
        verifier.replace(self.keys()?, self.expected());
        Ok(())
    }

    /// The source of the key set; `None` if there is none.
    ///
    /// # Errors
    /// If it is neither a path nor an address that can be used.
    pub fn jwks(&self) -> Result<Option<JwksSource>, AuthConfigError> {
        let ca = Some(self.jwks_ca_file.as_path()).filter(|path| !path.as_os_str().is_empty());
        match self.jwks.as_str() {
            "" => Ok(None),
            source => JwksSource::new(source, ca)
                .map(Some)
                .map_err(AuthConfigError::Jwks),
        }
    }

    /// The settings of the key set; `None` if there is none.
    ///
    /// # Errors
    /// As [`jwks`](Self::jwks).
    pub fn key_set(&self) -> Result<Option<KeySetSettings>, AuthConfigError> {
        let settings = |source| KeySetSettings {
            source,
            interval: Duration::from_secs(self.jwks_refresh_s),
            least: Duration::from_secs(self.jwks_min_refresh_s),
        };
        Ok(self.jwks()?.map(settings))
    }

    /// Signs tokens for services; `None` without a key.
    ///
    /// # Errors
    /// If the file cannot be read, or is no private key that the edge trusts.
    pub fn token_issuer(&self) -> Result<Option<TokenIssuer>, AuthConfigError> {
        let path = &self.signing_key_file;
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let issuer = self.issuer_with(read_signer(path)?);
        // The keys of a key set are not known yet.
        let is_unknown = self.jwks.is_empty()
            && self
                .verifier()
                .is_ok_and(|verifier| !issuer.is_trusted(&verifier));
        if is_unknown {
            Err(AuthConfigError::Untrusted { path: path.clone() })
        } else {
            Ok(Some(issuer))
        }
    }

    /// Signs tokens for services with `signer`, whatever key file the section names.
    pub fn issuer_with(&self, signer: Signer) -> TokenIssuer {
        let longest = Duration::from_secs(self.longest_token_s);
        TokenIssuer::new(signer, &self.issuer, &self.audience, longest)
    }

    fn keys(&self) -> Result<Vec<Key>, AuthConfigError> {
        let secrets = [
            ("secret", &self.secret),
            ("previous_secret", &self.previous_secret),
        ];
        let secrets = secrets.into_iter().filter(|(_, secret)| !secret.is_empty());
        let secrets = secrets.map(|(key, secret)| {
            Key::secret(secret.as_bytes()).map_err(|why| AuthConfigError::Secret(key, why))
        });
        let files = self.public_key_files.iter().map(|path| read_key(path));
        let keys = secrets.chain(files).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() && self.jwks.is_empty() {
            Err(AuthConfigError::NoKey)
        } else {
            Ok(keys)
        }
    }

    fn expected(&self) -> Expected {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        Expected {
            leeway_ms: self.leeway_s.saturating_mul(1000),
            audience: some(&self.audience),
            issuer: some(&self.issuer),
            anonymous_spectators: self.anonymous_spectators,
        }
    }
}

fn read_key(path: &Path) -> Result<Key, AuthConfigError> {
    let pem = file::read(path).map_err(|why| AuthConfigError::File {
        path: path.to_owned(),
        why,
    })?;
    Key::pem(&pem).map_err(|why| AuthConfigError::Key {
        path: path.to_owned(),
        why,
    })
}

/// Reads the private key of a file.
pub(super) fn read_signer(path: &Path) -> Result<Signer, AuthConfigError> {
    let pem = file::read(path).map_err(|why| AuthConfigError::File {
        path: path.to_owned(),
        why,
    })?;
    Signer::pem(&pem).map_err(|why| AuthConfigError::Key {
        path: path.to_owned(),
        why,
    })
}
