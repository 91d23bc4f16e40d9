//! Who may come in.

use std::sync::Arc;

use grandstand_common::auth::{Grants, Verifier};
use grandstand_common::error::ErrorKind;

use crate::server::handler::ConnectInfo;

/// Who may come in.
#[derive(Debug, Clone)]
pub struct AdmissionPolicy {
    /// What verifies tokens; without it none is taken.
    pub verifier: Option<Arc<Verifier>>,
    /// Origins that browsers may connect from; all if empty.
    pub origins: Vec<String>,
    /// Believe `?user=`. For development only.
    pub trust_user: bool,
}

impl AdmissionPolicy {
    /// What the client may do, or why it may not come in.
    ///
    /// # Errors
    /// With the reason, for the program and for people.
    pub fn admit(&self, info: &ConnectInfo, unix_ms: u64) -> Result<Grants, (ErrorKind, String)> {
        if let Some(origin) = &info.origin
            && !self.origins.is_empty()
            && !self.origins.contains(origin)
        {
            let text = format!("this edge takes no connections from pages of {origin}");
            return Err((ErrorKind::Forbidden, text));
        }
        match (&info.token, &info.user) {
            (Some(token), _) => match &self.verifier {
                Some(verifier) => verifier
                    .verify(token, unix_ms)
                    .map_err(|error| (error.kind(), error.to_string())),
                None => Err((
                    ErrorKind::Unauthenticated,
                    "this edge takes no tokens".into(),
                )),
            },
            (None, Some(user)) if self.trust_user => match user.parse() {
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
