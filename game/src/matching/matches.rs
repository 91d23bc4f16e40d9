//! The latest matches of a queue, which players who were away can still read.

use std::collections::BTreeMap;

use grandstand_types::id::{PlayerId, RoomId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::effects::Invitation;
use crate::update::View;

/// The most matches that players can read. Further ones take the place of the oldest.
const MOST: usize = 512;

/// The time for which a player can read the match, milliseconds.
const READABLE_MS: u64 = 120_000;

/// The latest matches.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Matches {
    /// The number of matches so far.
    count: u64,
    /// The latest ones by their numbers.
    latest: BTreeMap<u64, Matched>,
    /// The players of the latest ones, each with the number of the match.
    players: BTreeMap<PlayerId, u64>,
}

/// A match as a player gets it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Matched {
    room: RoomId,
    /// The parameters with which a player creates the room.
    params: Value,
    players: Vec<PlayerId>,
    until_ms: u64,
}

impl Matches {
    /// The number of matches so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.latest.is_empty()
    }

    /// The match of a player.
    pub(super) fn of(&self, player: &PlayerId) -> Option<&Matched> {
        self.latest.get(self.players.get(player)?)
    }

    /// Adds a match, and returns it.
    pub(super) fn add(
        &mut self,
        players: Vec<PlayerId>,
        room: RoomId,
        params: Value,
        now_ms: u64,
    ) -> &Matched {
        self.count += 1;
        let numbered = players.iter().map(|player| (player.clone(), self.count));
        self.players.extend(numbered);
        if self.latest.len() == MOST
            && let Some((&oldest, _)) = self.latest.first_key_value()
        {
            self.remove(oldest);
        }
        self.latest.entry(self.count).or_insert(Matched {
            room,
            params,
            players,
            until_ms: now_ms + READABLE_MS,
        })
    }

    /// Forgets the match of a player who waits again, or is gone.
    pub(super) fn forget(&mut self, player: &PlayerId) {
        self.players.remove(player);
    }

    /// Forgets the matches that are no longer to be read at `now_ms` (Unix).
    pub(super) fn expire(&mut self, now_ms: u64) {
        while let Some((&number, oldest)) = self.latest.first_key_value()
            && oldest.until_ms <= now_ms
        {
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) {
        let matched = self.latest.remove(&number);
        for player in matched.into_iter().flat_map(|matched| matched.players) {
            if self.players.get(&player) == Some(&number) {
                self.players.remove(&player);
            }
        }
    }
}

impl Matched {
    /// The players.
    pub(super) fn players(&self) -> &[PlayerId] {
        &self.players
    }

    /// The text for a player.
    pub(super) fn view(&self) -> View {
        let Self {
            room,
            params,
            players,
            ..
        } = self;
        View::of(&json!({"match": {"room": room, "params": params, "players": players}}))
    }

    /// The invitation of a player.
    pub(super) fn invitation(&self, player: &PlayerId) -> Invitation {
        Invitation {
            player: player.clone(),
            room: self.room.clone(),
            options: Value::Null,
            params: (!self.params.is_null()).then(|| self.params.clone()),
        }
    }
}
