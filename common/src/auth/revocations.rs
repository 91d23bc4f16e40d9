//! Revoked players, tokens and rooms.
//!
//! A revocation refuses tokens that were issued before it, until they would have expired. The bus keeps revocations in the
//! bucket `revocations`; each edge holds all of them in memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use grandstand_types::id::{PlayerId, RoomId};
// Held to look into the tables, or to change one entry.
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use xxhash_rust::xxh3::xxh3_128;

use crate::auth::grants::Grants;
use crate::auth::token_hash::token_hash;

/// The most revocations at a time. Each takes about 200 bytes of an edge.
pub const MAX_REVOCATIONS: usize = 100_000;

/// The most bytes of a token's id (`jti`) that can be revoked.
pub const MAX_TOKEN_ID_BYTES: usize = 256;

/// The tokens that a revocation concerns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// All tokens of a player.
    Player(PlayerId),
    /// The token with this id (`jti`).
    Token(String),
    /// The use of all tokens for a room.
    Room(RoomId),
}

impl Target {
    /// The key of the bucket `revocations`. Names of players may have characters that keys must not have.
    pub fn key(&self) -> String {
        match self {
            Self::Player(player) => player_key(player),
            Self::Token(id) => key("token", id),
            Self::Room(room) => room_key(room),
        }
    }
}

fn player_key(player: &PlayerId) -> String {
    key("player", player.as_str())
}

fn room_key(room: &RoomId) -> String {
    key("room", room.as_str())
}

fn key(kind: &str, name: &str) -> String {
    format!("{kind}.{:032x}", xxh3_128(name.as_bytes()))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Player(player) => write!(f, "the player {player}"),
            Self::Token(id) => write!(f, "the token {id:?}"),
            Self::Room(room) => write!(f, "the room {room}"),
        }
    }
}

/// A revocation, as the bus keeps it in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// The tokens that are revoked.
    pub target: Target,
    /// The time of the revocation, Unix milliseconds. Later tokens are valid.
    pub at_ms: u64,
    /// The time at which the last of the tokens has expired, Unix milliseconds.
    pub until_ms: u64,
}

impl Revocation {
    /// Whether a token that was issued then is revoked at `now_ms`. A token that does not say when it was issued
    /// (`iat`) is.
    fn concerns(&self, issued_s: Option<u64>, now_ms: u64) -> bool {
        // `iat` counts whole seconds, so a token of the same second may be older.
        let is_older = issued_s.is_none_or(|issued_s| issued_s <= self.at_ms / 1000);
        let is_token = matches!(self.target, Target::Token(_));
        now_ms < self.until_ms && (is_older || is_token)
    }
}

/// All revocations. Clones share them.
#[derive(Clone)]
pub struct Revocations(Arc<Shared>);

struct Shared {
    /// Whether there is any, so that edges without revocations pay nothing.
    has_any: AtomicBool,
    tables: RwLock<Tables>,
    changes: watch::Sender<u64>,
}

/// The revocations by what grants know.
#[derive(Default)]
struct Tables {
    by_key: HashMap<Box<str>, Revocation>,
    /// The keys by the hashes of tokens' ids.
    tokens: HashMap<u64, Box<str>>,
}

impl Default for Revocations {
    fn default() -> Self {
        Self(Arc::new(Shared {
            has_any: AtomicBool::new(false),
            tables: RwLock::default(),
            changes: watch::Sender::new(0),
        }))
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Revocations").field(&self.len()).finish()
    }
}

impl Revocations {
    /// Whether the tokens behind these grants are revoked.
    pub fn has(&self, grants: &Grants, now_ms: u64) -> bool {
        if !self.0.has_any.load(Ordering::Acquire) {
            return false;
        }
        let tables = self.0.tables.read();
        let player = grants.player().map(player_key);
        let player = player.and_then(|key| tables.by_key.get(key.as_str()));
        let token = grants.token().and_then(|hash| {
            let key = tables.tokens.get(&hash)?;
            tables.by_key.get(key)
        });
        [player, token]
            .into_iter()
            .flatten()
            .any(|revocation| revocation.concerns(grants.issued_s(), now_ms))
    }

    /// Whether the tokens behind these grants may not be used for a room any more.
    pub fn has_room(&self, room: &RoomId, grants: &Grants, now_ms: u64) -> bool {
        if !self.0.has_any.load(Ordering::Acquire) {
            return false;
        }
        let key = room_key(room);
        let tables = self.0.tables.read();
        let found = tables.by_key.get(key.as_str());
        found.is_some_and(|revocation| revocation.concerns(grants.issued_s(), now_ms))
    }

    /// The number of revocations.
    pub fn len(&self) -> usize {
        self.0.tables.read().by_key.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// At most `limit` revocations whose keys follow `after`, in the order of their keys.
    pub fn page(&self, after: &str, limit: usize) -> Vec<(String, Revocation)> {
        let tables = self.0.tables.read();
        let mut page: Vec<_> = tables
            .by_key
            .iter()
            .filter(|(key, _)| &***key > after)
            .collect();
        page.sort_unstable_by_key(|(key, _)| *key);
        page.truncate(limit);
        page.into_iter()
            .map(|(key, revocation)| (key.to_string(), revocation.clone()))
            .collect()
    }

    /// The revocations that have not ended at `now_ms` and whose keys are not stored.
    pub fn missing(
        &self,
        now_ms: u64,
        is_stored: impl Fn(&str) -> bool,
    ) -> Vec<(String, Revocation)> {
        let tables = self.0.tables.read();
        let all = tables.by_key.iter();
        let missing = all.filter(|(key, found)| now_ms < found.until_ms && !is_stored(key));
        missing
            .map(|(key, found)| (key.to_string(), found.clone()))
            .collect()
    }

    /// Tells of changes; their number.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Adds or replaces a revocation, or removes it. Returns whether there was space for it.
    pub fn set(&self, key: &str, revocation: Option<Revocation>) -> bool {
        let mut tables = self.0.tables.write();
        let has_space = tables.set(key, revocation);
        self.publish(&tables);
        has_space
    }

    /// Replaces all revocations. Returns whether there was space for all of them.
    pub fn replace(&self, all: impl IntoIterator<Item = (String, Revocation)>) -> bool {
        let mut next = Tables::default();
        let has_space = all.into_iter().fold(true, |ok, (key, revocation)| {
            next.set(&key, Some(revocation)) && ok
        });
        let mut tables = self.0.tables.write();
        *tables = next;
        self.publish(&tables);
        has_space
    }

    /// Removes revocations that have ended.
    pub fn expire(&self, now_ms: u64) {
        if !self.0.has_any.load(Ordering::Acquire) {
            return;
        }
        let mut tables = self.0.tables.write();
        tables.by_key.retain(|_, found| now_ms < found.until_ms);
        let Tables { by_key, tokens } = &mut *tables;
        tokens.retain(|_, key| by_key.contains_key(key));
        self.0.has_any.store(!by_key.is_empty(), Ordering::Release);
    }

    fn publish(&self, tables: &Tables) {
        let has_any = !tables.by_key.is_empty();
        self.0.has_any.store(has_any, Ordering::Release);
        self.0.changes.send_modify(|changes| *changes += 1);
    }
}

impl Tables {
    fn set(&mut self, key: &str, revocation: Option<Revocation>) -> bool {
        let Some(revocation) = revocation else {
            if let Some(Revocation {
                target: Target::Token(id),
                ..
            }) = self.by_key.remove(key)
            {
                self.tokens.remove(&token_hash(&id));
            }
            return true;
        };
        if self.by_key.len() >= MAX_REVOCATIONS && !self.by_key.contains_key(key) {
            return false;
        }
        if let Target::Token(id) = &revocation.target {
            self.tokens.insert(token_hash(id), key.into());
        }
        self.by_key.insert(key.into(), revocation);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_767_225_600_000;

    fn revoke(revocations: &Revocations, target: Target) {
        let revocation = Revocation {
            target,
            at_ms: NOW_MS,
            until_ms: NOW_MS + 60_000,
        };
        let key = revocation.target.key();
        assert!(revocations.set(&key, Some(revocation)));
    }

    fn grants(player: &str, id: Option<&str>, issued_s: Option<u64>) -> Grants {
        Grants::trusted(player.parse().unwrap()).of_token(id, issued_s)
    }

    #[test]
    fn a_revocation_ends_older_tokens_until_they_would_have_expired() {
        let revocations = Revocations::default();
        let (old, new) = (NOW_MS / 1000, NOW_MS / 1000 + 1);
        let alice = |issued| grants("alice", Some("a"), issued);
        assert!(!revocations.has(&alice(None), NOW_MS));
        revoke(&revocations, Target::Player("alice".parse().unwrap()));
        for (issued, revoked) in [(None, true), (Some(old), true), (Some(new), false)] {
            assert_eq!(
                revocations.has(&alice(issued), NOW_MS),
                revoked,
                "{issued:?}"
            );
        }
        assert!(!revocations.has(&grants("bob", Some("a"), None), NOW_MS));
        assert!(!revocations.has(&Grants::anonymous(), NOW_MS));
        assert!(!revocations.has(&alice(None), NOW_MS + 60_000));

        revoke(&revocations, Target::Token("b".to_owned()));
        assert!(revocations.has(&grants("bob", Some("b"), Some(new)), NOW_MS));
        assert!(!revocations.has(&grants("bob", Some("c"), Some(new)), NOW_MS));
        assert!(!revocations.has(&grants("bob", None, None), NOW_MS));

        let [room, other] = ["relay-1", "relay-2"].map(|room| room.parse().unwrap());
        revoke(&revocations, Target::Room("relay-1".parse().unwrap()));
        let bob = |issued| grants("bob", None, issued);
        assert!(revocations.has_room(&room, &bob(None), NOW_MS));
        assert!(!revocations.has_room(&room, &bob(Some(new)), NOW_MS));
        assert!(!revocations.has_room(&other, &bob(None), NOW_MS));
        assert_eq!(revocations.page("", 2).len(), 2);

        revocations.set(&Target::Token("b".to_owned()).key(), None);
        assert!(!revocations.has(&grants("bob", Some("b"), None), NOW_MS));
        revocations.expire(NOW_MS + 60_000);
        assert!(revocations.is_empty());
    }

    #[test]
    fn there_are_not_more_than_there_is_space_for() {
        let revocations = Revocations::default();
        let target = |i: usize| Target::Token(i.to_string());
        let entry = |i: usize| Revocation {
            target: target(i),
            at_ms: NOW_MS,
            until_ms: NOW_MS + 1,
        };
        let all = (0..MAX_REVOCATIONS).map(|i| (target(i).key(), entry(i)));
        assert!(revocations.replace(all));
        let more = target(MAX_REVOCATIONS).key();
        assert!(!revocations.set(&more, Some(entry(MAX_REVOCATIONS))));
        assert!(
            revocations.set(&target(0).key(), Some(entry(0))),
            "it replaces one"
        );
        assert_eq!(revocations.len(), MAX_REVOCATIONS);
    }

    #[test]
    fn what_the_bus_keeps_is_stable() {
        let revocation = Revocation {
            target: Target::Player("alice".parse().unwrap()),
            at_ms: 1,
            until_ms: 2,
        };
        let json = r#"{"target":{"player":"alice"},"at_ms":1,"until_ms":2}"#;
        assert_eq!(serde_json::to_string(&revocation).unwrap(), json);
        assert_eq!(
            serde_json::from_str::<Revocation>(json).unwrap(),
            revocation
        );
        let key = revocation.target.key();
        assert!(key.starts_with("player.") && key.len() == 39, "{key}");
    }
}
