//! What a game developer writes: one `impl Game`.
//!
//! A game is a deterministic state machine with a volatile skin. The durable part (`Self`) changes only in
//! [`Game::apply`], by events that are in the log: the same log gives the same room, on whichever worker. The
//! volatile part ([`Game::Volatile`]) is for what may be lost: positions, cursors.

use std::time::Duration;

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};
use rand_chacha::ChaCha8Rng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::effects::{Effects, LiveEffects};

/// A game's rules.
pub trait Game: Serialize + DeserializeOwned + Send + Sized + 'static {
    /// The part of the room's id before the first `-`.
    const NAME: &'static str;

    /// How often [`Game::tick`] is called while somebody is in the room; never by default.
    const TICK: Option<Duration> = None;

    /// What is neither logged nor kept.
    type Volatile: Default + Send + 'static;

    /// Makes a room's first state. The event of its first player follows.
    ///
    /// # Errors
    /// If the parameters are not to the game's liking: there is no room then, and the player gets the refusal as an `error`.
    fn create(setup: &mut Setup<'_>) -> Result<Self, Refusal>;

    /// Takes the next event. Everything that comes of it goes through `effects`.
    ///
    /// A [`reject`](Effects::reject) of a `Joined` keeps the player out; one of an `Input` tells its sender that it
    /// was refused. Neither undoes what was changed before it, so check first.
    fn apply(&mut self, event: &Event<'_>, effects: &mut Effects);

    /// The whole view of a lane: what a client that comes now is shown.
    /// Applying the updates that went to the lane to an earlier view gives this one.
    fn view(&self, lane: Lane) -> Data;

    /// How spectators of this room are served: every update at once, if a game does not say otherwise. May depend on what
    /// the room was created with; a change takes effect with the next snapshot that edges get.
    fn spectating(&self) -> Spectating {
        Spectating::default()
    }

    /// What only this player may see, as it is now. Sent as `direct` on a join and whenever the player may have missed
    /// some.
    fn private(&self, _player: &PlayerId) -> Option<Data> {
        None
    }

    /// A lossy message from a player. By default it goes to everybody else in the room.
    fn live(
        &self,
        _volatile: &mut Self::Volatile,
        from: &PlayerId,
        data: Data,
        effects: &mut LiveEffects,
    ) {
        effects.others(from, data);
    }

    /// Called every [`Game::TICK`].
    fn tick(&self, _volatile: &mut Self::Volatile, _effects: &mut LiveEffects) {}
}

/// How a room's spectators are served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spectating {
    /// How often a second a spectator is sent something, at most; 0 for as often as there is something. Of updates that wait
    /// for their turn only the latest with the same [key](crate::effects::Effects::update_keyed) is sent, and
    /// a snapshot in their place where that is less.
    pub max_rate_hz: u32,
    /// How many milliseconds later than it happens a spectator is shown anything, so that nobody plays by what another's
    /// screen shows.
    pub delay_ms: u32,
}

/// What a room is created with.
#[derive(Debug)]
pub struct Setup<'a> {
    /// `join`'s `params`, `{}` if there were none.
    pub params: &'a serde_json::Value,
    /// Seeded from the room: use it for all chance.
    pub rng: &'a mut ChaCha8Rng,
    /// When, by the log's clock, Unix milliseconds.
    pub now_ms: u64,
}

/// Why a game refuses something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For programs: `[a-z_]+`.
    pub code: String,
    /// For people.
    pub message: String,
}

impl Refusal {
    /// A refusal with its code and what to tell people.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }
}

/// An event from the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// When, by the log's clock, Unix milliseconds; never before the event before it, nor a timer's due time.
    pub now_ms: u64,
    /// What happened.
    pub kind: EventKind<'a>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind<'a> {
    /// A player came who was not in the room (or had left it).
    Joined {
        /// Who.
        player: &'a PlayerId,
        /// The token's options for this room; `null` if it has none.
        options: &'a serde_json::Value,
    },
    /// A player left for good.
    Left {
        /// Who.
        player: &'a PlayerId,
    },
    /// A player's connection dropped.
    Lost {
        /// Who.
        player: &'a PlayerId,
    },
    /// A player whose connection had dropped is back.
    Returned {
        /// Who.
        player: &'a PlayerId,
    },
    /// What a player did.
    Input {
        /// Who.
        player: &'a PlayerId,
        /// What.
        data: &'a Data,
    },
    /// A timer came due that [`Effects::set_timer`] set.
    Timer {
        /// Its name.
        name: &'a str,
    },
}
