//! Invitations: tokens of a worker for one room, and the `[auth]` section of its configuration.

use std::path::PathBuf;
use std::time::Duration;

use grandstand_types::id::{PlayerId, RoomId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::auth::claims::{Claims, Signer};
use crate::auth::config::{AuthConfigError, read_signer};
use crate::process::config::Checks;

/// The key with which a worker signs invitations. The edges trust the public key that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SigningConfig {
    /// A PEM file with a private key (EdDSA, ES256, ES384 or RS256); without it, invitations have no token.
    pub signing_key_file: PathBuf,
    /// The `aud` of invitations, as the edges expect it.
    pub audience: String,
    /// The `iss` of invitations, as the edges expect it.
    pub issuer: String,
    /// Seconds for which an invitation is valid.
    pub invitation_s: u64,
}

impl Default for SigningConfig {
    fn default() -> Self {
        Self {
            signing_key_file: PathBuf::new(),
            audience: String::new(),
            issuer: String::new(),
            invitation_s: 86_400,
        }
    }
}

impl SigningConfig {
    /// Checks the section, which is called `auth` in the configuration.
    pub fn validate(&self, checks: &mut Checks) {
        checks.range("auth.invitation_s", self.invitation_s, 60..=2_592_000);
        if let Err(why) = self.inviter() {
            checks.require("auth.signing_key_file", false, || why.to_string());
        }
    }

    /// Signs invitations; `None` without a key.
    ///
    /// # Errors
    /// If the file cannot be read, or is no private key.
    pub fn inviter(&self) -> Result<Option<Inviter>, AuthConfigError> {
        let path = &self.signing_key_file;
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        Ok(Some(Inviter::new(read_signer(path)?, self)))
    }

    /// Signs invitations with a section that was validated. A key file that cannot be used any more is logged, and then
    /// invitations have no token.
    pub fn validated_inviter(&self) -> Option<Inviter> {
        self.inviter().unwrap_or_else(|error| {
            tracing::error!(%error, "the key of invitations cannot be used; they have no token until the next start");
            None
        })
    }
}

/// Signs invitations.
#[derive(Debug, Clone)]
pub struct Inviter {
    signer: Signer,
    audience: Option<String>,
    issuer: Option<String>,
    valid: Duration,
}

impl Inviter {
    /// Signs with `signer`, whatever key file the section names.
    pub fn new(signer: Signer, config: &SigningConfig) -> Self {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        Self {
            signer,
            audience: some(&config.audience),
            issuer: some(&config.issuer),
            valid: Duration::from_secs(config.invitation_s),
        }
    }

    /// Returns a token with which `player` may play in `room`, and the time at which it expires, Unix seconds. A player who
    /// is the first creates the room with `params`.
    pub fn invite(
        &self,
        player: &PlayerId,
        room: &RoomId,
        options: &Value,
        params: Option<&Value>,
        now_ms: u64,
    ) -> (String, u64) {
        let expires_s = now_ms / 1000 + self.valid.as_secs();
        let claims = Claims::new(player.clone(), expires_s)
            .invite(room, options, params)
            .issued_by(self.issuer.as_deref(), self.audience.as_deref());
        (self.signer.sign(&claims), expires_s)
    }
}
