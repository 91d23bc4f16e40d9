//! What a token grants.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use grandstand_types::id::{PlayerId, RoomId};

use crate::auth::error::AuthError;
use crate::auth::rules::Rules;
use crate::envelope::Role;

/// What a verified token grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    player: PlayerId,
    expires_ms: Option<u64>,
    rooms: Rules,
}

impl Grants {
    pub(super) fn new(player: PlayerId, expires_ms: u64, rooms: Rules) -> Self {
        Self {
            player,
            expires_ms: Some(expires_ms),
            rooms,
        }
    }

    /// Everything, for ever, without a token: only for `grandstand dev`, where `?user=` is trusted.
    pub fn trusted(player: PlayerId) -> Self {
        Self {
            player,
            expires_ms: None,
            rooms: Rules::everything(),
        }
    }

    /// Who it is.
    pub fn player(&self) -> &PlayerId {
        &self.player
    }

    /// When it ends, Unix milliseconds, before any leeway; never if `None`.
    pub fn expires_ms(&self) -> Option<u64> {
        self.expires_ms
    }

    /// The most that the client may be in a room, and what its token tells the game (one JSON value as text). `None` is
    /// [`ErrorKind::Forbidden`](crate::error::ErrorKind::Forbidden).
    pub fn role(&self, room: &RoomId) -> Option<(Role, Option<Bytes>)> {
        self.rooms.find(room)
    }

    /// Whether this may take the place of `old` on a connection.
    ///
    /// # Errors
    /// If it is another player's.
    pub fn renews(&self, old: &Self) -> Result<(), AuthError> {
        if self.player == old.player {
            Ok(())
        } else {
            Err(AuthError::OtherPlayer)
        }
    }
}

/// What tokens allow that were seen lately: most have the same `rooms`, which are then held once for all.
///
/// What it keeps for itself is bounded: a rule set displaces another one that stood in its place.
#[derive(Debug)]
pub struct GrantsCache([Option<Rules>; Self::PLACES]);

impl GrantsCache {
    const PLACES: usize = 64;

    /// The same grants, which take as little room as they can.
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
