//! The game in real time of these tests.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_game::{
    Auto, Effects, Game, Lane, NoParams, PlayerId, Realtime, Reject, Rng, Setup, Tick, TickEffects,
    Verdict, View,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

thread_local! {
    /// The version that stored worlds are of, for `migrate_world`.
    pub(super) static MIGRATES: std::cell::Cell<bool> = const { std::cell::Cell::new(true) };
}

/// Takes something at every seventh tick, which scores a point, and does what controls name: `collect` (something at
/// each tick), `nothing`, `panic`, `huge`, `odd` (a world that is no JSON), `flood` (too many commits).
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine::tests) struct Rolling {
    score: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine::tests) struct World {
    taken: u64,
    padding: String,
    odd: BTreeMap<Vec<u8>, u8>,
}

impl Game for Rolling {
    const NAME: &'static str = "rolling";
    const VERSION: u32 = 2;
    type Params = NoParams;
    type Input = NoParams;
    type Update = Auto;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self { score: 0 })
    }

    fn input(&mut self, _: &PlayerId, _: NoParams, _: &mut Effects<Auto>) -> Verdict {
        Ok(())
    }

    fn view(&self, _: Lane) -> View {
        View::of(self)
    }
}

impl Realtime for Rolling {
    const RATE_HZ: u32 = 30;
    const MOST_LOST: Option<Duration> = Some(Duration::from_secs(2));
    type World = World;
    type Control = String;
    type Commit = u64;

    fn world(&self, _: &mut Rng) -> World {
        World {
            taken: self.score,
            padding: String::new(),
            odd: BTreeMap::new(),
        }
    }

    fn tick(&self, world: &mut World, tick: Tick<'_, String>, fx: &mut TickEffects<u64>) {
        let wishes = || tick.controls().map(|(_, wish)| wish.as_str());
        let mut takes = tick.number.is_multiple_of(7);
        for wish in wishes() {
            match wish {
                "collect" => takes = true,
                "nothing" => takes = false,
                "panic" => panic!("as ordered"),
                "huge" => world.padding = "x".repeat(300_000),
                "odd" => drop(world.odd.insert(vec![1], 2)),
                "flood" => (0..100_000).for_each(|_| fx.commit(0)),
                _ => {}
            }
        }
        if takes {
            world.taken += 1;
            fx.commit(1);
        }
        let controls: BTreeMap<_, _> = tick.controls().collect();
        fx.frame(
            None,
            View::of(&json!({
                "tick": tick.number,
                "skipped": tick.skipped,
                "taken": world.taken,
                "controls": controls,
            })),
        );
    }

    fn commit(&mut self, points: u64, _: &mut Effects<Auto>) {
        self.score += points;
    }

    fn migrate_world(_: u32, world: Value) -> Option<World> {
        MIGRATES.get().then(|| World {
            taken: world["sum"].as_u64().unwrap_or(0),
            padding: String::new(),
            odd: BTreeMap::new(),
        })
    }
}
