//! Worlds of games in real time, with their types erased.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::value::RawValue;

use super::output::EffectList;
use crate::effects::Effects;
use crate::input::FromInput as _;
use crate::outlet::OutletStart;
use crate::realtime::{Realtime, Tick, TickEffects};
use crate::reject::Reject;

/// A world, and why a stored one cannot be used.
type Begun = (Box<dyn AnyWorld>, Option<String>);

/// Applies a commit: the game, the commit, the time, the random numbers and the number of the last item sent out.
type Commit = fn(&mut dyn Any, &str, u64, ChaCha8Rng, OutletStart) -> Result<EffectList, Reject>;

/// The part of a kind of game that runs its rooms in real time.
#[derive(Debug, Clone, Copy)]
pub struct RealtimeKind {
    rate_hz: u32,
    most_lost: Option<Duration>,
    begin: fn(&dyn Any, Option<StoredWorld<'_>>, ChaCha8Rng) -> Begun,
    commit: Commit,
}

/// A world that was stored.
#[derive(Debug, Clone, Copy)]
pub struct StoredWorld<'a> {
    /// The version of the game that stored it.
    pub version: u32,
    /// The number of the last tick.
    pub tick: u64,
    /// The world as JSON.
    pub text: &'a str,
}

impl RealtimeKind {
    pub(super) fn of<G: Realtime>() -> Self {
        const {
            assert!(
                G::RATE_HZ >= 1 && G::RATE_HZ <= 60,
                "a game in real time has 1 to 60 ticks per second"
            );
            if let Some(most) = G::MOST_LOST {
                assert!(most.as_secs() >= 1, "`MOST_LOST` is at least a second");
            }
        }
        Self {
            rate_hz: G::RATE_HZ,
            most_lost: G::MOST_LOST,
            begin: begin::<G>,
            commit: commit::<G>,
        }
    }

    /// The time between two ticks.
    pub fn step(self) -> Duration {
        Duration::from_secs(1) / self.rate_hz
    }

    /// The most of a world's time that a crash may take back; `None` for worlds that are never stored.
    pub fn most_lost(self) -> Option<Duration> {
        self.most_lost
    }

    /// Begins a world from the one that was stored, or (`None`) anew. Also returns why a stored one cannot be used.
    pub(super) fn begin(
        self,
        game: &dyn Any,
        stored: Option<StoredWorld<'_>>,
        seed: [u8; 32],
    ) -> (World, Option<String>) {
        // Other numbers than those of events.
        let seed = seed.map(|byte| byte ^ 0x5a);
        let tick = stored.as_ref().map_or(0, |stored| stored.tick);
        let (world, unusable) = (self.begin)(game, stored, rng(seed, tick));
        let world = World {
            world,
            step: self.step(),
            seed,
            tick,
        };
        (world, unusable)
    }

    /// Applies a commit to a game at `now_ms`.
    pub(super) fn commit(
        self,
        game: &mut dyn Any,
        commit: &str,
        now_ms: u64,
        rng: ChaCha8Rng,
        outlet: OutletStart,
    ) -> Result<EffectList, Reject> {
        (self.commit)(game, commit, now_ms, rng, outlet)
    }
}

/// The random numbers of a tick.
fn rng(seed: [u8; 32], tick: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::from_seed(seed);
    rng.set_stream(tick);
    rng
}

/// A world that runs. After a panic of a tick it must not be used again.
pub struct World {
    world: Box<dyn AnyWorld>,
    step: Duration,
    seed: [u8; 32],
    /// The number of the last tick.
    tick: u64,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("World");
        f.field("tick", &self.tick).finish_non_exhaustive()
    }
}

/// The effects of a tick.
#[derive(Debug, Default)]
pub struct TickOutput {
    /// The frames, each for one lane or (`None`) both.
    pub frames: Vec<(Option<Lane>, Data)>,
    /// The commits as JSON, in order.
    pub commits: Vec<Data>,
    /// The reasons why frames or commits are left out.
    pub faults: Vec<String>,
}

impl World {
    /// The number of the last tick.
    pub fn number(&self) -> u64 {
        self.tick
    }

    /// Keeps a player's newest control.
    ///
    /// # Errors
    /// If the data is no control of the game. The earlier control stays.
    pub fn control(&mut self, player: &PlayerId, data: &Data) -> Result<(), String> {
        self.world.control(player, data)
    }

    /// Forgets the controls of all players but those that `stays` names.
    pub fn retain_controls(&mut self, stays: &dyn Fn(&PlayerId) -> bool) {
        self.world.retain(stays);
    }

    /// The world as JSON.
    ///
    /// # Errors
    /// If it cannot be serialized.
    pub fn store(&self) -> Result<Box<RawValue>, serde_json::Error> {
        self.world.store()
    }

    /// Moves the world by one step, after `skipped` ticks that are left out.
    pub(super) fn tick(&mut self, game: &dyn Any, skipped: u64) -> TickOutput {
        self.tick += 1 + skipped;
        let mut rng = rng(self.seed, self.tick);
        let now = Now {
            number: self.tick,
            step: self.step,
            skipped,
        };
        self.world.tick(game, now, &mut rng)
    }
}

/// A tick without what depends on the game.
struct Now {
    number: u64,
    step: Duration,
    skipped: u64,
}

/// A world of any type.
trait AnyWorld: Send {
    fn control(&mut self, player: &PlayerId, data: &Data) -> Result<(), String>;
    fn retain(&mut self, stays: &dyn Fn(&PlayerId) -> bool);
    fn store(&self) -> Result<Box<RawValue>, serde_json::Error>;
    fn tick(&mut self, game: &dyn Any, now: Now, rng: &mut ChaCha8Rng) -> TickOutput;
}

struct HostedWorld<G: Realtime> {
    world: G::World,
    controls: BTreeMap<PlayerId, G::Control>,
}

impl<G: Realtime> AnyWorld for HostedWorld<G> {
    fn control(&mut self, player: &PlayerId, data: &Data) -> Result<(), String> {
        let control = G::Control::from_input(data)?;
        match self.controls.get_mut(player) {
            Some(newest) => *newest = control,
            None => drop(self.controls.insert(player.clone(), control)),
        }
        Ok(())
    }

    fn retain(&mut self, stays: &dyn Fn(&PlayerId) -> bool) {
        self.controls.retain(|player, _| stays(player));
    }

    fn store(&self) -> Result<Box<RawValue>, serde_json::Error> {
        serde_json::value::to_raw_value(&self.world)
    }

    fn tick(&mut self, game: &dyn Any, now: Now, rng: &mut ChaCha8Rng) -> TickOutput {
        let mut fx = TickEffects::new();
        let tick = Tick {
            number: now.number,
            step: now.step,
            skipped: now.skipped,
            controls: &self.controls,
            rng,
        };
        game_of::<G>(game).tick(&mut self.world, tick, &mut fx);
        let mut output = TickOutput::default();
        for (lane, view) in fx.frames {
            match view.into_data() {
                Ok(data) => output.frames.push((lane, data)),
                Err(error) => output
                    .faults
                    .push(format!("a frame cannot be serialized: {error}")),
            }
        }
        for commit in fx.commits {
            match commit {
                Ok(data) => output.commits.push(data),
                Err(error) => output
                    .faults
                    .push(format!("a commit cannot be serialized: {error}")),
            }
        }
        output
    }
}

fn begin<G: Realtime>(
    game: &dyn Any,
    stored: Option<StoredWorld<'_>>,
    mut rng: ChaCha8Rng,
) -> Begun {
    let (world, unusable) = match stored.map(read::<G>) {
        Some(Ok(world)) => (Some(world), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    let world = world.unwrap_or_else(|| game_of::<G>(game).world(&mut rng));
    let controls = BTreeMap::new();
    (Box::new(HostedWorld::<G> { world, controls }), unusable)
}

fn read<G: Realtime>(stored: StoredWorld<'_>) -> Result<G::World, String> {
    if stored.version == G::VERSION {
        return serde_json::from_str(stored.text).map_err(|error| error.to_string());
    }
    let from = stored.version;
    let world = serde_json::from_str(stored.text).map_err(|error| error.to_string())?;
    let migrated = (from < G::VERSION).then(|| G::migrate_world(from, world));
    migrated.flatten().ok_or_else(|| {
        let to = G::VERSION;
        format!("it is of version {from} of the game, and not migrated to version {to}")
    })
}

fn commit<G: Realtime>(
    game: &mut dyn Any,
    commit: &str,
    now_ms: u64,
    rng: ChaCha8Rng,
    outlet: OutletStart,
) -> Result<EffectList, Reject> {
    let commit = serde_json::from_str(commit)
        .map_err(|error| Reject::new("bad_commit", error.to_string()))?;
    let mut fx = Effects::new(now_ms, rng, outlet);
    match game.downcast_mut::<G>() {
        Some(game) => game.commit(commit, &mut fx),
        None => unreachable!("a kind of game runs its own games"),
    }
    Ok(EffectList(fx.into_list()))
}

fn game_of<G: Realtime>(game: &dyn Any) -> &G {
    match game.downcast_ref() {
        Some(game) => game,
        None => unreachable!("a kind of game runs its own games"),
    }
}
