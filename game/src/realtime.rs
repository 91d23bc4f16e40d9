//! Games in real time: a world that moves in ticks, beside the state that the log gives.
//!
//! The state of a [`Game`] survives everything, because it follows from the log. A [`Realtime`] game has a world besides,
//! which changes many times a second and is not logged: positions, speeds, shots in flight. A crash takes back at most
//! [`MOST_LOST`](Realtime::MOST_LOST) of it. What must last, such as a score, goes through [`TickEffects::commit`] into
//! the log, and from there into the state.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};
use rand_chacha::ChaCha8Rng as Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::effects::Effects;
use crate::game::Game;
use crate::input::FromInput;
use crate::update::View;

/// A game with a world that moves in ticks. Register it with [`Games::add_realtime`](crate::Games::add_realtime).
///
/// The `live` messages of its players are [controls](Self::Control), so [`Game::live`] is not called. The frames of a tick
/// reach clients as `live` messages.
pub trait Realtime: Game {
    /// The number of ticks per second: 1 to 60.
    const RATE_HZ: u32;

    /// The most of the world's time that a crash takes back: at least a second. `None` for a world that is never stored,
    /// which a crash and a handover begin again.
    const MOST_LOST: Option<Duration>;

    /// The state between two ticks. It is stored as JSON of at most 256 KiB.
    type World: Serialize + DeserializeOwned + Send;

    /// A player's doing at the moment, for example the keys that are down: the newest `live` message. One that is not of
    /// this type is dropped.
    type Control: FromInput + Send;

    /// A change that must last. The log contains it as JSON.
    type Commit: Serialize + DeserializeOwned;

    /// Makes the first world of a room, or another one if the last is lost.
    fn world(&self, rng: &mut Rng) -> Self::World;

    /// Moves the world by one step. The state of the game does not change in a tick.
    fn tick(
        &self,
        world: &mut Self::World,
        tick: Tick<'_, Self::Control>,
        fx: &mut TickEffects<Self::Commit>,
    );

    /// Applies a commit that the log contains, exactly once and in order. Of a tick whose commit is lost by a crash, the
    /// world is lost as well.
    fn commit(&mut self, commit: Self::Commit, fx: &mut Effects<Self::Update>);

    /// Reads a world that a build with the earlier version `from` of the game stored. By default the world is made again.
    fn migrate_world(_from: u32, _world: Value) -> Option<Self::World> {
        None
    }
}

/// A step of a world.
#[derive(Debug)]
pub struct Tick<'a, C> {
    /// The number of the tick, which grows by one, and after skipped ticks by more. After a crash it continues from the
    /// world that was stored.
    pub number: u64,
    /// The time that passes in a step, always the same.
    pub step: Duration,
    /// The number of ticks that were skipped before this one, because the worker was more than five ticks behind; else 0.
    pub skipped: u64,
    pub(crate) controls: &'a BTreeMap<PlayerId, C>,
    pub(crate) rng: &'a mut Rng,
}

impl<'a, C> Tick<'a, C> {
    /// The newest control of a player; `None` if the player is not connected, or has sent none on this connection.
    pub fn control(&self, player: &PlayerId) -> Option<&'a C> {
        self.controls.get(player)
    }

    /// The newest control of each connected player who has sent one.
    pub fn controls(&self) -> impl Iterator<Item = (&'a PlayerId, &'a C)> + use<'a, C> {
        self.controls.iter()
    }

    /// Random numbers of the tick. They have nothing to do with those of events, because no replay repeats them.
    pub fn rng(&mut self) -> &mut Rng {
        self.rng
    }
}

/// Collects the effects of a tick.
#[derive(Debug)]
pub struct TickEffects<C> {
    pub(crate) frames: Vec<(Option<Lane>, View)>,
    pub(crate) commits: Vec<Result<Data, serde_json::Error>>,
    kind: PhantomData<fn(C)>,
}

impl<C> TickEffects<C> {
    pub(crate) fn new() -> Self {
        Self {
            frames: Vec::new(),
            commits: Vec::new(),
            kind: PhantomData,
        }
    }

    /// Shows the world to one lane or (`None`) both. Frames may be lost: a client that reads slowly gets only the newest,
    /// and a client that joins gets the newest at once. So a frame must not depend on earlier ones.
    pub fn frame(&mut self, lane: impl Into<Option<Lane>>, view: View) {
        self.frames.push((lane.into(), view));
    }
}

impl<C: Serialize> TickEffects<C> {
    /// Writes a change to the log. [`Realtime::commit`] applies it once the log contains it, usually some milliseconds
    /// later. Up to 10 times a second the commits since the last time are written together. While the log takes none,
    /// the world stands still.
    pub fn commit(&mut self, commit: C) {
        self.commits.push(Data::json(&commit));
    }
}
