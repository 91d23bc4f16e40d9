//! Decides which clients may connect.

use std::sync::Arc;

use grandstand_common::auth::{Grants, Verifier, player_name};
use grandstand_common::error::ErrorKind;

use crate::server::handler::ConnectInfo;

/// Decides which clients may connect, by origin and token.
#[derive(Debug, Clone)]
pub struct AdmissionPolicy {
    /// Verifies tokens. If `None`, every token is refused.
    pub verifier: Option<Arc<Verifier>>,
    /// Origins from which browsers may connect; all if empty.
    pub origins: Vec<String>,
    /// Whether to trust `?user=`. For development only.
    pub trust_user: bool,
}

impl AdmissionPolicy {
    /// Returns the client's rights.
    ///
    /// # Errors
    /// If the client is refused: the kind of error, and a message for people.
    pub fn admit(&self, info: &ConnectInfo, unix_ms: u64) -> Result<Grants, (ErrorKind, String)> {
        if let Some(origin) = &info.origin
            && !self.origins.is_empty()
            && !self.origins.contains(origin)
        {
            let text =
                format!("pages of {origin} may not connect; add the origin to `edge.origins`");
            return Err((ErrorKind::Forbidden, text));
        }
        match (&info.token, &info.user) {
            (Some(token), _) => match &self.verifier {
                Some(verifier) => verifier
                    .verify(token, unix_ms)
                    .map_err(|error| (error.kind(), error.to_string())),
                None => Err((
                    ErrorKind::Unauthenticated,
                    "this edge accepts no tokens, because it has no key to verify them".into(),
                )),
            },
            (None, Some(user)) if self.trust_user => match player_name(user) {
                Ok(player) => Ok(Grants::trusted(player)),
                Err(error) => Err((ErrorKind::Unauthenticated, format!("the user {error}"))),
            },
            _ => {
                let text = "no token: give one as `Authorization: Bearer`, `?token=` or the \
                            subprotocol `bearer.<token>`";
                Err((ErrorKind::Unauthenticated, text.into()))
            }
        }
    }
}
