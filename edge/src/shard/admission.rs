//! Decides which clients may connect.

use grandstand_common::auth::{AuthError, Grants, KeySet, TokenIssuer, Verifier, player_name};
use grandstand_common::error::ErrorKind;

use crate::server::handler::ConnectInfo;
use crate::shard::origins::Origins;

const NO_TOKEN: &str =
    "no token: give one as `Authorization: Bearer`, `?token=` or the subprotocol `bearer.<token>`";

/// Decides which clients may connect, by origin and token.
#[derive(Debug, Clone)]
pub struct AdmissionPolicy {
    /// Verifies tokens.
    pub verifier: Verifier,
    /// The key set that the verifier also has keys of, if there is one.
    pub key_set: KeySet,
    /// Origins from which browsers may connect.
    pub origins: Origins,
    /// Signs tokens for back ends; `None` without a key.
    pub issuer: Option<TokenIssuer>,
    /// Whether to trust `?user=`. For development only.
    pub trust_user: bool,
}

/// The reason why a client may not connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of error.
    pub kind: ErrorKind,
    /// A message for people.
    pub message: String,
    /// Whether the token's key may be among those of the key set, once it has been read again.
    pub is_key_unknown: bool,
}

impl Refusal {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            is_key_unknown: false,
        }
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        Self {
            is_key_unknown: error == AuthError::UnknownKey,
            ..Self::new(error.kind(), error.to_string())
        }
    }
}

impl AdmissionPolicy {
    /// Returns the client's rights.
    ///
    /// # Errors
    /// If the client is refused.
    pub fn admit(&self, info: &ConnectInfo, unix_ms: u64) -> Result<Grants, Refusal> {
        if let Some(origin) = &info.origin
            && !self.origins.allow(origin)
        {
            let text =
                format!("pages of {origin} may not connect; add the origin to `edge.origins`");
            return Err(Refusal::new(ErrorKind::Forbidden, text));
        }
        match (&info.token, &info.user) {
            (Some(token), _) => Ok(self.verifier.verify(token, unix_ms)?),
            (None, Some(user)) if self.trust_user => match player_name(user) {
                Ok(player) => {
                    let grants = Grants::trusted(player);
                    if self.verifier.revocations().has(&grants, unix_ms) {
                        Err(AuthError::Revoked.into())
                    } else {
                        Ok(grants)
                    }
                }
                Err(error) => {
                    let text = format!("the user {error}");
                    Err(Refusal::new(ErrorKind::Unauthenticated, text))
                }
            },
            _ => match self.verifier.without_token() {
                Some(grants) => Ok(grants),
                None => Err(Refusal::new(ErrorKind::Unauthenticated, NO_TOKEN)),
            },
        }
    }

    /// Admits a client that was refused because the key of its token is unknown: waits until the
    /// key set has been read again, if that may be soon.
    ///
    /// # Errors
    /// If the client is refused.
    pub async fn admit_after_read(
        &self,
        info: &ConnectInfo,
        unix_ms: impl Fn() -> u64,
    ) -> Result<Grants, Refusal> {
        let mut reads = self.key_set.reads();
        loop {
            let is_open = reads.borrow_and_update().is_next_open;
            let admitted = self.admit(info, unix_ms());
            match &admitted {
                Err(refusal) if refusal.is_key_unknown && is_open => {
                    // An error means that the process ends.
                    if reads.changed().await.is_err() {
                        return admitted;
                    }
                }
                _ => return admitted,
            }
        }
    }
}
