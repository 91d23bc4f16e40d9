//! What a game developer writes: one `impl Game`.
//!
//! A game is a deterministic state machine with a volatile skin. The durable part (`Self`) changes only in
//! [`Game::apply`], by events that are in the log: the same log gives the same room, on whichever worker. The
//! volatile part ([`Game::Volatile`]) is for what may be lost: positions, cursors.

use std::time::Duration;

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::effects::Effects;
use crate::event::Event;
use crate::live::LiveEffects;
use crate::reject::Reject;
use crate::serving::Spectating;
use crate::setup::Setup;

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
    /// If the parameters are not to the game's liking: there is no room then, and the player gets the reject as an `error`.
    fn create(setup: &mut Setup<'_>) -> Result<Self, Reject>;

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
