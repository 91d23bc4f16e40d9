//! The trait that a game implements.
//!
//! A game is a deterministic state machine with a volatile part. The durable part (`Self`) changes only in
//! [`Game::apply`], by events of the log, so that the same log gives the same room on every worker. The volatile part
//! ([`Game::Volatile`]) holds state that may be lost, such as positions and cursors.

use std::time::Duration;

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::effects::Effects;
use crate::event::Event;
use crate::live::LiveEffects;
use crate::reject::Reject;
use crate::setup::Setup;
use crate::spectating::Spectating;

/// A game's rules.
pub trait Game: Serialize + DeserializeOwned + Send + Sized + 'static {
    /// The name of the game: the part of a room's id before the first `-`.
    const NAME: &'static str;

    /// The period of [`Game::tick`] while a client is in the room. By default `tick` is never called.
    const TICK: Option<Duration> = None;

    /// The volatile state, neither logged nor stored.
    type Volatile: Default + Send + 'static;

    /// Creates a room's first state. The `Joined` of its first player follows.
    ///
    /// # Errors
    /// If the game rejects the parameters. No room is created, and the player receives the reject as an `error`.
    fn create(setup: &mut Setup<'_>) -> Result<Self, Reject>;

    /// Applies the next event. All its consequences outside of `self` go through `effects`.
    ///
    /// A [`reject`](Effects::reject) of a `Joined` keeps the player out; one of an `Input` is sent to the player. A
    /// reject undoes no change of the state, so check the event before changing anything.
    fn apply(&mut self, event: &Event<'_>, effects: &mut Effects);

    /// The full view of a lane, which clients receive as a snapshot. An earlier view with the later updates of the lane
    /// applied must equal this one.
    fn view(&self, lane: Lane) -> Data;

    /// The rate and delay for spectators of this room. By default they receive every update at once. The value may
    /// depend on the state; a change takes effect with the next snapshot that edges receive.
    fn spectating(&self) -> Spectating {
        Spectating::default()
    }

    /// The part of the view that only this player may see. It is sent as `direct` on a join and whenever the player may
    /// have missed a `direct`.
    fn private(&self, _player: &PlayerId) -> Option<Data> {
        None
    }

    /// Handles a lossy message from a player. By default everyone else in the room receives it.
    fn live(
        &self,
        _volatile: &mut Self::Volatile,
        from: &PlayerId,
        data: Data,
        effects: &mut LiveEffects,
    ) {
        effects.others(from, data);
    }

    /// Advances the volatile state. Called every [`Game::TICK`].
    fn tick(&self, _volatile: &mut Self::Volatile, _effects: &mut LiveEffects) {}
}
