//! The world of a test room in real time.

use std::collections::BTreeMap;

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};
use serde_json::Value;

use super::checks::{Check, Failure, check_data, shown};
use super::describe::value;
use crate::host::instance::GameInstance;
use crate::host::world::{RealtimeKind, StoredWorld, World};

/// The most bytes of a stored world.
const MAX_WORLD_BYTES: usize = 256 * 1024;

/// The world of a test room.
#[derive(Debug)]
pub(super) struct TestWorld {
    kind: RealtimeKind,
    version: u32,
    /// `None` until the first tick, and after a crash.
    world: Option<World>,
    /// The newest control of each player.
    controls: BTreeMap<PlayerId, Data>,
    /// The newest frame of each lane, by [`Lane::index`].
    frames: [Option<Value>; 2],
    /// The version, the tick and the text of the world that a crash leaves.
    stored: Option<(u32, u64, String)>,
    /// The nanoseconds that have passed and are less than a millisecond.
    nanos: u128,
}

impl TestWorld {
    pub(super) fn new(kind: RealtimeKind, version: u32) -> Self {
        Self {
            kind,
            version,
            world: None,
            controls: BTreeMap::new(),
            frames: [None, None],
            stored: None,
            nanos: 0,
        }
    }

    /// A crash goes on from this world, which an earlier version of the game may have stored.
    pub(super) fn set_stored(&mut self, version: u32, text: String) {
        self.stored = Some((version, 0, text));
        self.world = None;
    }

    /// The newest frame of a lane.
    pub(super) fn frame(&self, lane: Lane) -> Option<&Value> {
        self.frames[lane.index()].as_ref()
    }

    /// Keeps a control, and checks that the game can read it.
    pub(super) fn control(
        &mut self,
        game: &GameInstance,
        player: PlayerId,
        data: Data,
    ) -> Result<Result<(), String>, Failure> {
        let world = self.running(game)?;
        let kept = world.control(&player, &data);
        if kept.is_ok() {
            self.controls.insert(player, data);
        }
        Ok(kept)
    }

    /// Forgets what is not stored.
    pub(super) fn crash(&mut self) {
        self.world = None;
        self.controls.clear();
    }

    /// Moves the world by one step. Returns its commits, and the milliseconds that have passed.
    pub(super) fn tick(
        &mut self,
        game: &GameInstance,
        connected: &[PlayerId],
    ) -> Result<(Vec<Data>, u64), Failure> {
        self.controls.retain(|player, _| connected.contains(player));
        let world = self.running(game)?;
        world.retain_controls(&|player| connected.contains(player));
        let step = format!("tick {}", world.number() + 1);
        let output = game
            .tick(world, 0)
            .map_err(|panicked| Check::Panics.fails(&step, panicked.to_string()))?;
        if let Some(fault) = output.faults.first() {
            return Err(Check::Effects.fails(&step, fault.clone()));
        }
        for (lane, data) in output.frames {
            check_data("a frame", &data, &step)?;
            for to in Lane::ALL {
                if lane.is_none_or(|lane| lane == to) {
                    self.frames[to.index()] = Some(value(&data));
                }
            }
        }
        self.keep(game, !output.commits.is_empty(), &step)?;
        let passed = self.nanos + self.kind.step().as_nanos();
        self.nanos = passed % 1_000_000;
        let ms = u64::try_from(passed / 1_000_000).unwrap_or(0);
        Ok((output.commits, ms))
    }

    /// Stores and loads the world, and checks that it is the same. A crash leaves it if a server would have stored it: with
    /// each commit, and twice within the time that may be lost.
    fn keep(&mut self, game: &GameInstance, commits: bool, step: &str) -> Result<(), Failure> {
        let Some(most) = self.kind.most_lost() else {
            return Ok(());
        };
        let every = (most.as_nanos() / 2 / self.kind.step().as_nanos().max(1)).max(1);
        let world = self.running(game)?;
        let tick = world.number();
        if !commits && !u128::from(tick).is_multiple_of(every) {
            return Ok(());
        }
        let text = stored_text(world, step)?;
        self.stored = Some((self.version, tick, text.clone()));
        self.world = None;
        let again = stored_text(self.running(game)?, step)?;
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let (before, after) = (parse(&text), parse(&again));
        if before != after {
            let (before, after) = (shown(&before), shown(&after));
            let message = format!("the world {before} is {after} after it was stored and loaded");
            return Err(Check::Stored.fails(step, message));
        }
        Ok(())
    }

    /// The world, which begins if it does not run.
    fn running(&mut self, game: &GameInstance) -> Result<&mut World, Failure> {
        if self.world.is_none() {
            let step = "the begin of the world";
            let stored = self.stored.as_ref();
            let stored = stored.map(|(version, tick, text)| StoredWorld {
                version: *version,
                tick: *tick,
                text,
            });
            let begun = game
                .begin_world(stored)
                .map_err(|panicked| Check::Panics.fails(step, panicked.to_string()))?;
            let Some((mut world, unusable)) = begun else {
                return Err(Check::Effects.fails(step, "the game is not one in real time"));
            };
            if let Some(why) = unusable.filter(|_| self.is_own()) {
                let message = format!("the game cannot read its own world: {why}");
                return Err(Check::Stored.fails(step, message));
            }
            for (player, control) in &self.controls {
                world.control(player, control).ok();
            }
            self.world = Some(world);
        }
        match &mut self.world {
            Some(world) => Ok(world),
            None => Err(Check::Effects.fails("the begin of the world", "there is none")),
        }
    }

    /// Whether the stored world is of this version of the game.
    fn is_own(&self) -> bool {
        let stored = self.stored.as_ref();
        stored.is_some_and(|(version, ..)| *version == self.version)
    }
}

fn stored_text(world: &World, step: &str) -> Result<String, Failure> {
    let text = world.store().map_err(|error| {
        Check::Stored.fails(step, format!("the world cannot be stored: {error}"))
    })?;
    let bytes = text.get().len();
    if bytes > MAX_WORLD_BYTES {
        let message = format!("the world has {bytes} bytes, more than {MAX_WORLD_BYTES}");
        return Err(Check::Sizes.fails(step, message));
    }
    Ok(text.get().to_owned())
}
