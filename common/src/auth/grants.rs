//! Permissions that a token grants.

use std::hash::{DefaultHasher, Hash, Hasher};

use grandstand_types::id::{PlayerId, RoomId};

use crate::auth::error::AuthError;
use crate::auth::rules::{RoomGrant, Rules};
use crate::auth::token_hash::token_hash;
use crate::envelope::Role;

/// An expiry that never comes.
const NEVER: u64 = u64::MAX;

/// Permissions of a verified token, or of a client without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    player: Option<PlayerId>,
    /// [`NEVER`] without an expiry. Each connection has grants, so an `Option` would cost 8 bytes.
    expires_ms: u64,
    /// The token's `iat`; 0 if it has none.
    issued_s: u64,
    /// A hash of the token's `jti`; 0 if it has none.
    token: u64,
    rooms: Rules,
}

impl Grants {
    pub(super) fn new(player: PlayerId, expires_ms: u64, rooms: Rules) -> Self {
        Self {
            player: Some(player),
            expires_ms,
            issued_s: 0,
            token: 0,
            rooms,
        }
    }

    /// The same grants, of the token with this `jti` and `iat`.
    pub(super) fn of_token(mut self, id: Option<&str>, issued_s: Option<u64>) -> Self {
        self.token = id.map_or(0, token_hash);
        self.issued_s = issued_s.unwrap_or(0);
        self
    }

    /// Grants everything forever, without a token. Only for `grandstand dev`, which trusts `?user=`.
    pub fn trusted(player: PlayerId) -> Self {
        Self {
            player: Some(player),
            expires_ms: NEVER,
            issued_s: 0,
            token: 0,
            rooms: Rules::everything(Role::Player),
        }
    }

    /// Grants a client without a token to watch everything forever.
    pub fn anonymous() -> Self {
        Self {
            player: None,
            expires_ms: NEVER,
            issued_s: 0,
            token: 0,
            rooms: Rules::everything(Role::Spectator),
        }
    }

    /// The player; `None` for a client without a token, which may only watch.
    pub fn player(&self) -> Option<&PlayerId> {
        self.player.as_ref()
    }

    /// The time at which the grants expire, in Unix milliseconds, before any leeway; `None` for never.
    pub fn expires_ms(&self) -> Option<u64> {
        (self.expires_ms != NEVER).then_some(self.expires_ms)
    }

    /// The time at which the token was issued (`iat`, Unix seconds), if the token has it.
    pub(super) fn issued_s(&self) -> Option<u64> {
        (self.issued_s > 0).then_some(self.issued_s)
    }

    /// The hash of the token's id, if it has one.
    pub(super) fn token(&self) -> Option<u64> {
        (self.token > 0).then_some(self.token)
    }

    /// The rights in a room. `None` means [`ErrorKind::Forbidden`](crate::error::ErrorKind::Forbidden).
    pub fn room(&self, room: &RoomId) -> Option<RoomGrant> {
        self.rooms.find(room)
    }

    /// Whether the token is a service's in a room, which may send messages, kick players and end the room.
    pub fn serves(&self, room: &RoomId) -> bool {
        self.rooms.serves(room)
    }

    /// Whether the token is a service's in all rooms of a pattern: a room, or a prefix of rooms and `*`.
    pub(super) fn serves_all(&self, pattern: &str) -> bool {
        self.rooms.serves_all(pattern)
    }

    /// Whether the token is a service's in some rooms.
    pub fn is_service(&self) -> bool {
        self.rooms.has_service()
    }

    /// Checks that these grants may replace `old` on a connection. A client without a token may become any player.
    ///
    /// # Errors
    /// If they are another player's.
    pub fn renews(&self, old: &Self) -> Result<(), AuthError> {
        if old.player.is_none() || self.player == old.player {
            Ok(())
        } else {
            Err(AuthError::OtherPlayer)
        }
    }
}

/// The rules of recent tokens. Most tokens have the same `rooms`, and such grants share one copy of the rules.
///
/// The cache is bounded: a rule set displaces an older one in its place.
#[derive(Debug)]
pub struct GrantsCache([Option<Rules>; Self::PLACES]);

impl GrantsCache {
    const PLACES: usize = 64;

    /// Returns the same grants, with rules from the cache if it has them.
    #[must_use]
    pub fn share(&mut self, mut grants: Grants) -> Grants {
        let mut hasher = DefaultHasher::new();
        grants.rooms.hash(&mut hasher);
        let place = &mut self.0[hasher.finish() as usize % Self::PLACES];
        match place {
            Some(kept) if *kept == grants.rooms => grants.rooms = kept.clone(),
            _ => *place = Some(grants.rooms.clone()),
        }
        grants
    }
}

impl Default for GrantsCache {
    fn default() -> Self {
        Self([const { None }; Self::PLACES])
    }
}
