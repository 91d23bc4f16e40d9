//! Tokens that an edge signs for the players of services.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_types::id::PlayerId;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::auth::claims::{Claims, Signer};
use crate::auth::error::AuthError;
use crate::auth::grants::Grants;
use crate::auth::rules::Rules;
use crate::auth::verifier::Verifier;

/// The most rules of a token, which the client sends with each handshake.
const MOST_RULES: usize = 64;

/// Signs tokens for the players of services.
#[derive(Debug, Clone)]
pub struct TokenIssuer {
    signer: Signer,
    audience: Option<String>,
    issuer: Option<String>,
    longest: Duration,
}

/// The token that a service wants.
#[derive(Debug)]
pub struct TokenWish<'a> {
    /// The player.
    pub player: PlayerId,
    /// The `rooms` of the token, as JSON.
    pub rooms: &'a RawValue,
    /// The seconds for which it is valid; `None` for the longest time.
    pub ttl_s: Option<u64>,
}

/// A token, and the time at which it expires, Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// The token.
    pub token: String,
    /// Its `jti`, by which it can be revoked.
    pub id: String,
    /// The time at which it expires, Unix seconds.
    pub expires_s: u64,
}

/// The reason why a service gets no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The rules are wrong.
    #[error("{0}")]
    Rooms(#[from] AuthError),
    /// There are too many rules, or none.
    #[error("`rooms` has {0} rules, not 1 to {MOST_RULES}")]
    Count(usize),
    /// The time is too long, or 0.
    #[error("`ttl_s` is {0}, not 1 to {1}")]
    Time(u64, u64),
    /// Somebody other than a service asks.
    #[error("the token does not have the role \"service\"")]
    NoService,
    /// The token would be a service's.
    #[error("a service makes tokens of players and spectators, not of services")]
    Service,
    /// The token would be wider than that of the service.
    #[error("the service's token does not have the role \"service\" for all rooms of {0:?}")]
    Wider(String),
}

impl TokenIssuer {
    /// Signs with `signer` tokens that are valid for `longest` at most, as the edges expect them.
    pub fn new(signer: Signer, issuer: &str, audience: &str, longest: Duration) -> Self {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            signer,
            audience: some(audience),
            issuer: some(issuer),
            longest,
        }
    }

    /// Whether these keys and expectations are those of its tokens.
    pub(super) fn is_trusted(&self, verifier: &Verifier) -> bool {
        let Ok(player) = "player".parse::<PlayerId>() else {
            return false;
        };
        let claims =
            Claims::new(player, 60).issued_by(self.issuer.as_deref(), self.audience.as_deref());
        verifier.verify(&self.signer.sign(&claims), 0).is_ok()
    }

    /// Makes a token of a player, which allows at most what the service may do.
    ///
    /// # Errors
    /// If the wish is wrong, or the service may not make such a token.
    pub fn issue(
        &self,
        service: &Grants,
        wish: &TokenWish<'_>,
        now_ms: u64,
        id: &str,
    ) -> Result<IssuedToken, IssueError> {
        if !service.is_service() {
            return Err(IssueError::NoService);
        }
        let rules = Rules::parse(Some(wish.rooms))?;
        // The rules have been read just now.
        let rooms: BTreeMap<String, Value> =
            serde_json::from_str(wish.rooms.get()).unwrap_or_default();
        if rules.has_service() {
            return Err(IssueError::Service);
        }
        if !(1..=MOST_RULES).contains(&rooms.len()) {
            return Err(IssueError::Count(rooms.len()));
        }
        if let Some(pattern) = rooms.keys().find(|pattern| !service.serves_all(pattern)) {
            return Err(IssueError::Wider(pattern.clone()));
        }
        let longest = self.longest.as_secs();
        let ttl_s = wish.ttl_s.unwrap_or(longest);
        if !(1..=longest).contains(&ttl_s) {
            return Err(IssueError::Time(ttl_s, longest));
        }
        let now_s = now_ms / 1000;
        let expires_s = now_s + ttl_s;
        let claims = Claims::new(wish.player.clone(), expires_s)
            .issued(now_s, id)
            .issued_by(self.issuer.as_deref(), self.audience.as_deref())
            .with_rooms(rooms);
        Ok(IssuedToken {
            token: self.signer.sign(&claims),
            id: id.to_owned(),
            expires_s,
        })
    }
}
