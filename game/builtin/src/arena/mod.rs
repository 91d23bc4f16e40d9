//! `arena`: up to 16 players roll discs over a field in real time, push each other, and collect coins.
//!
//! The view is `{"width":1600,"height":900,"scores":{"alice":3}}`, with automatic updates. An arena takes no inputs. A
//! player sends a control as a live message, `{"x":1,"y":0}`: the direction in which the player wants to roll, each
//! between -1 and 1. It holds until the next one.
//!
//! Frames come 30 times a second as live messages:
//! `{"tick":7,"discs":{"alice":[800,450]},"coins":[[100,200]]}`. A coin scores a point, by a commit: the log contains it
//! before the score shows.
//!
//! `params.coins` is the number of coins on the field, 1 to 100 and by default 12. A room without connected players for 10
//! minutes is finished.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_game::{
    Auto, Effects, Game, Idle, Lane, Leave, Listing, NoParams, PlayerId, Realtime, Reject, Rng,
    Setup, Tick, TickEffects, Verdict, View, ensure,
};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use world::{HEIGHT, WIDTH, World};

mod world;

/// The most players.
const PLAYERS: usize = 16;

/// A room of `arena`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Arena {
    coins: usize,
    /// The points of each player in the room.
    scores: BTreeMap<PlayerId, u32>,
}

/// The `params` of the first player's `join`.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Params {
    coins: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self { coins: 12 }
    }
}

/// The direction in which a player wants to roll.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Control {
    x: f32,
    y: f32,
}

/// A player has collected a coin.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Collected {
    player: PlayerId,
}

#[derive(Serialize)]
struct Board<'a> {
    width: f32,
    height: f32,
    scores: &'a BTreeMap<PlayerId, u32>,
}

impl Arena {
    /// The scripted player of tools: rolls in a random direction, or stops.
    pub fn play(_view: &Value, _player: &PlayerId, rng: &mut Rng) -> Value {
        json!({"x": rng.random_range(-1..=1), "y": rng.random_range(-1..=1)})
    }
}

impl Game for Arena {
    const NAME: &'static str = "arena";
    type Params = Params;
    type Input = NoParams;
    type Update = Auto;

    fn create(params: Params, _: &mut Setup<'_>) -> Result<Self, Reject> {
        let coins = params.coins;
        ensure!(
            (1..=100).contains(&coins),
            "bad_params",
            "coins is {coins}, must be 1 to 100"
        );
        Ok(Self {
            coins,
            scores: BTreeMap::new(),
        })
    }

    fn joined(&mut self, player: &PlayerId, _: &Value, _: &mut Effects<Auto>) -> Verdict {
        ensure!(
            self.scores.len() < PLAYERS,
            "room_full",
            "{PLAYERS} can play"
        );
        self.scores.insert(player.clone(), 0);
        Ok(())
    }

    fn left(&mut self, player: &PlayerId, _: Leave, _: &mut Effects<Auto>) {
        self.scores.remove(player);
    }

    fn input(&mut self, _: &PlayerId, _: NoParams, _: &mut Effects<Auto>) -> Verdict {
        Err(Reject::new(
            "no_inputs",
            "an arena is played with live messages such as {\"x\":1,\"y\":0}",
        ))
    }

    fn view(&self, _: Lane) -> View {
        View::of(&Board {
            width: WIDTH,
            height: HEIGHT,
            scores: &self.scores,
        })
    }

    fn listing(&self) -> Option<Listing> {
        Some(Listing::of_seats(self.scores.len(), PLAYERS))
    }

    fn idle(&self) -> Idle {
        Idle::FinishAfter(Duration::from_secs(600))
    }
}

impl Realtime for Arena {
    const RATE_HZ: u32 = 30;
    const MOST_LOST: Option<Duration> = Some(Duration::from_secs(4));
    type World = World;
    type Control = Control;
    type Commit = Collected;

    fn world(&self, rng: &mut Rng) -> World {
        World::new(self.coins, rng)
    }

    fn tick(
        &self,
        world: &mut World,
        mut tick: Tick<'_, Control>,
        fx: &mut TickEffects<Collected>,
    ) {
        world.keep(self.scores.keys(), tick.rng());
        let seconds = tick.step.as_secs_f32();
        world.roll(seconds, |player| {
            let control = tick.control(player);
            control.map_or((0.0, 0.0), |control| (control.x, control.y))
        });
        for player in world.collect(tick.rng()) {
            fx.commit(Collected { player });
        }
        fx.frame(None, View::of(&world.frame(tick.number)));
    }

    fn commit(&mut self, Collected { player }: Collected, _: &mut Effects<Auto>) {
        if let Some(score) = self.scores.get_mut(&player) {
            *score += 1;
        }
    }
}

#[cfg(test)]
mod tests;
